//! `tidegate connectors`: a client for the REST API of any Connect worker, the JVM's too.

mod apply;
mod environment;
mod output;
mod rest;
mod secrets;
mod status;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value as Json, json};
use tidegate_worker::path_segment;

use apply::Definition;
use environment::Environment;
use output::Table;
use rest::Rest;
use secrets::Secrets;
use status::ConnectorStatus;

const DEFAULT_URL: &str = "http://127.0.0.1:8083";
/// Variables that name the worker, the first one that is set counts.
const URL_VARIABLES: [&str; 2] = ["TIDEGATE_URL", "DEBEZIUM_URL"];

#[derive(Debug, Args)]
pub(crate) struct ConnectorsCommand {
    #[command(subcommand)]
    action: Action,
    /// The worker's address; otherwise `TIDEGATE_URL`, then `DEBEZIUM_URL`, then http://127.0.0.1:8083.
    #[arg(long, global = true)]
    url: Option<String>,
    /// File of `NAME=value` lines; what the environment has itself comes first.
    #[arg(long, global = true, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// Tables for people, or JSON for programs.
    #[arg(long, global = true, value_enum, default_value = "table")]
    output: Format,
    /// Seconds to wait for connectors to run, and for a rebalance to end.
    #[arg(
        long,
        global = true,
        value_name = "SECONDS",
        default_value_t = 60,
        value_parser = clap::value_parser!(u64).range(1..=86400)
    )]
    timeout: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lists connectors with their states.
    List,
    /// Creates or updates connectors from files and waits until they run.
    Apply {
        /// JSON as for `POST /connectors`, a bare configuration, or properties. `${NAME}` is replaced from the
        /// environment.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// The connector's name, if the file has none.
        #[arg(long)]
        name: Option<String>,
    },
    /// Shows the states of a connector and its tasks.
    Status { name: String },
    /// Shows a connector's configuration.
    Config {
        name: String,
        /// Shows passwords and the like, too.
        #[arg(long)]
        show_secrets: bool,
    },
    /// Restarts a connector and its tasks.
    Restart {
        name: String,
        /// Only what has failed.
        #[arg(long)]
        only_failed: bool,
        /// Only the connector, not its tasks.
        #[arg(long, conflicts_with_all = ["only_failed", "task"])]
        connector_only: bool,
        /// Only this task.
        #[arg(long, value_name = "NUMBER", conflicts_with = "only_failed")]
        task: Option<u32>,
    },
    /// Pauses a connector; its tasks stay in memory.
    Pause { name: String },
    /// Resumes a paused or stopped connector.
    Resume { name: String },
    /// Stops a connector; its tasks end.
    Stop { name: String },
    /// Deletes a connector.
    Delete { name: String },
    /// Shows how far a connector has come.
    Offsets { name: String },
    /// Lists the connectors that the worker knows.
    Plugins {
        /// Transformations, predicates and converters, too.
        #[arg(long)]
        all: bool,
    },
    /// Checks a connector's file without creating anything.
    Validate {
        file: PathBuf,
        /// The connector's name, if the file has none.
        #[arg(long)]
        name: Option<String>,
    },
}

/// Runs a command; its answer goes to the standard output.
///
/// # Errors
/// If the worker refuses, does not answer, or a connector does not come to run.
pub(crate) async fn run(command: ConnectorsCommand) -> anyhow::Result<()> {
    let environment = Environment::of_process(command.env_file.as_deref())?;
    let pace = rest::Pace::of(Duration::from_secs(command.timeout));
    Box::pin(run_with(
        command,
        &environment,
        pace,
        &mut std::io::stdout(),
    ))
    .await
}

/// Prints the error, if any: 1 then, as for errors of usage.
pub(crate) fn exit_code(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell if the standard error is closed.
            writeln!(std::io::stderr(), "error: {error:#}").ok();
            ExitCode::FAILURE
        }
    }
}

async fn run_with(
    command: ConnectorsCommand,
    environment: &Environment,
    pace: rest::Pace,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let url = command
        .url
        .as_deref()
        .or_else(|| URL_VARIABLES.iter().find_map(|name| environment.get(name)))
        .unwrap_or(DEFAULT_URL);
    let client = Client {
        rest: Rest::new(url, pace)?,
        format: command.output,
        out,
    };
    match command.action {
        Action::List => client.list().await,
        Action::Apply { files, name } => {
            if name.is_some() && files.len() > 1 {
                bail!("--name is for one file, not for {}", files.len());
            }
            let definitions = files
                .iter()
                .map(|file| Definition::read(file, name.as_deref(), environment))
                .collect::<anyhow::Result<Vec<_>>>()?;
            apply::apply(&client.rest, &definitions, client.format, client.out).await
        }
        Action::Status { name } => client.status(&name).await,
        Action::Config { name, show_secrets } => client.config(&name, show_secrets).await,
        Action::Restart {
            name,
            only_failed,
            connector_only,
            task,
        } => {
            let path = match task {
                Some(task) => format!("{}/tasks/{task}/restart", rest::connector(&name)),
                None if connector_only => format!("{}/restart", rest::connector(&name)),
                None => format!(
                    "{}/restart?includeTasks=true&onlyFailed={only_failed}",
                    rest::connector(&name)
                ),
            };
            client.rest.post(&path, None).await?;
            client.done(&name, "restart")
        }
        Action::Pause { name } => client.put_state(&name, "pause").await,
        Action::Resume { name } => client.put_state(&name, "resume").await,
        Action::Stop { name } => client.put_state(&name, "stop").await,
        Action::Delete { name } => {
            client.rest.delete(&rest::connector(&name)).await?;
            client.done(&name, "delete")
        }
        Action::Offsets { name } => client.offsets(&name).await,
        Action::Plugins { all } => client.plugins(all).await,
        Action::Validate { file, name } => {
            let definition = Definition::read(&file, name.as_deref(), environment)?;
            client.validate(&definition).await
        }
    }
}

struct Client<'a> {
    rest: Rest,
    format: Format,
    out: &'a mut dyn Write,
}

impl Client<'_> {
    fn print(self, table: Table, json: &Json) -> anyhow::Result<()> {
        match self.format {
            Format::Table => table.write(self.out)?,
            Format::Json => output::write_json(self.out, json)?,
        }
        Ok(())
    }

    /// The answer to a command that the worker has taken.
    fn done(self, name: &str, action: &str) -> anyhow::Result<()> {
        match self.format {
            Format::Table => writeln!(self.out, "{name}: {action} requested")?,
            Format::Json => output::write_json(self.out, &json!({"name": name, "action": action}))?,
        }
        Ok(())
    }

    async fn put_state(self, name: &str, action: &str) -> anyhow::Result<()> {
        let path = format!("{}/{action}", rest::connector(name));
        self.rest.put(&path, None).await?;
        self.done(name, action)
    }

    async fn list(self) -> anyhow::Result<()> {
        let names: Vec<String> = self.rest.get_as("/connectors").await?;
        // A connector that has no status yet is missing here.
        let expanded = self
            .rest
            .get("/connectors?expand=status&expand=info")
            .await?;
        let mut names: Vec<_> = names.iter().map(String::as_str).collect();
        names.sort_unstable();
        let mut table = Table::new(["NAME", "TYPE", "STATE", "TASKS", "WORKER", "CLASS"]);
        let mut list = Vec::new();
        for name in names {
            let found = &expanded[name];
            let status: ConnectorStatus =
                serde_json::from_value(found["status"].clone()).unwrap_or_default();
            let class = found["info"]["config"]["connector.class"].as_str();
            let kind = found["info"]["type"].as_str();
            table.row([
                name,
                kind.unwrap_or("-"),
                status.state(),
                &status.tasks_summary(),
                &status.connector.worker_id,
                class.unwrap_or("-"),
            ]);
            list.push(json!({
                "name": name,
                "type": kind,
                "class": class,
                "connector": found["status"]["connector"],
                "tasks": found["status"]["tasks"],
            }));
        }
        self.print(table, &Json::Array(list))
    }

    async fn status(self, name: &str) -> anyhow::Result<()> {
        let json = self
            .rest
            .get(&format!("{}/status", rest::connector(name)))
            .await?;
        let status: ConnectorStatus = serde_json::from_value(json.clone())
            .context("the worker's answer is no connector's status")?;
        if self.format == Format::Json {
            return Ok(output::write_json(self.out, &json)?);
        }
        let mut table = Table::new(["", "STATE", "WORKER"]);
        let connector = &status.connector;
        table.row(["connector", status.state(), &connector.worker_id]);
        for task in &status.tasks {
            table.row([
                &format!("task {}", task.id),
                &task.instance.state,
                &task.instance.worker_id,
            ]);
        }
        writeln!(self.out, "{name}")?;
        table.write(self.out)?;
        for trouble in status.troubles() {
            writeln!(self.out, "\n{trouble}")?;
        }
        Ok(())
    }

    async fn config(self, name: &str, show_secrets: bool) -> anyhow::Result<()> {
        let path = format!("{}/config", rest::connector(name));
        let mut config = self.rest.get(&path).await?;
        let mut table = Table::new(["PROPERTY", "VALUE"]);
        let properties = config
            .as_object_mut()
            .context("the worker's answer is no configuration")?;
        properties.sort_keys();
        for (key, value) in properties {
            if let (Some(text), false) = (value.as_str(), show_secrets) {
                *value = Json::String(secrets::masked(key, text));
            }
            table.row([key.as_str(), value.as_str().unwrap_or("null")]);
        }
        self.print(table, &config)
    }

    async fn offsets(self, name: &str) -> anyhow::Result<()> {
        let path = format!("{}/offsets", rest::connector(name));
        let json = self.rest.get(&path).await?;
        let mut table = Table::new(["PARTITION", "OFFSET"]);
        for entry in json["offsets"].as_array().into_iter().flatten() {
            table.row([
                &output::pairs(&entry["partition"]),
                &output::pairs(&entry["offset"]),
            ]);
        }
        self.print(table, &json)
    }

    async fn plugins(self, all: bool) -> anyhow::Result<()> {
        let path = format!("/connector-plugins?connectorsOnly={}", !all);
        let json = self.rest.get(&path).await?;
        let mut table = Table::new(["TYPE", "CLASS", "VERSION"]);
        for plugin in json.as_array().into_iter().flatten() {
            let member = |name: &str| plugin[name].as_str().unwrap_or("-");
            table.row([member("type"), member("class"), member("version")]);
        }
        self.print(table, &json)
    }

    async fn validate(self, definition: &Definition) -> anyhow::Result<()> {
        let secrets = Secrets::of(&definition.config);
        let path = format!(
            "/connector-plugins/{}/config/validate",
            path_segment(definition.class()?)
        );
        let answer = self.rest.put(&path, Some(&definition.config_json())).await;
        let answer = answer.map_err(|error| secrets.redact_error(&error))?;
        // Values are left out: what a placeholder of the worker stands for may be secret.
        let mut table = Table::new(["PROPERTY", "ERROR"]);
        let mut list = Vec::new();
        for value in answer["configs"].as_array().into_iter().flatten() {
            let value = &value["value"];
            let name = value["name"].as_str().unwrap_or("-");
            let errors: Vec<String> = value["errors"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Json::as_str)
                .map(|error| secrets.redact(error))
                .collect();
            for error in &errors {
                table.row([name, error]);
            }
            if !errors.is_empty() {
                list.push(json!({"property": name, "errors": errors}));
            }
        }
        let count = answer["error_count"]
            .as_u64()
            .context("the worker's answer is no validation")?;
        let name = definition.name.as_str();
        let json = json!({"name": name, "error_count": count, "errors": list});
        match self.format {
            Format::Json => output::write_json(self.out, &json)?,
            Format::Table if count == 0 => {
                writeln!(self.out, "{name}: the configuration is valid")?;
            }
            Format::Table => table.write(self.out)?,
        }
        if count > 0 {
            bail!("the configuration of '{name}' has {count} error(s)");
        }
        Ok(())
    }
}

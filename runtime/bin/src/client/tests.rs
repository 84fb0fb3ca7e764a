//! The client against a server that answers as it is told and notes what it is asked. Its answers have the shapes of
//! the Java worker's.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{Method, StatusCode, Uri, header};
use clap::Parser;
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::*;
use crate::client::rest::Pace;

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    command: ConnectorsCommand,
}

#[derive(Default)]
struct Script {
    /// By method and path; the last answer stays.
    answers: HashMap<String, VecDeque<(u16, String)>>,
    requests: Vec<(String, Json)>,
}

impl Script {
    fn answer(&mut self, request: String, body: &Bytes) -> (u16, String) {
        let body = serde_json::from_slice(body).unwrap_or_default();
        let answers = self.answers.get_mut(&request);
        self.requests.push((request, body));
        match answers {
            Some(answers) if answers.len() > 1 => answers.pop_front().unwrap(),
            Some(answers) => answers[0].clone(),
            None => refusal(404, "HTTP 404 Not Found"),
        }
    }
}

fn refusal(status: u16, message: &str) -> (u16, String) {
    let body = json!({"error_code": status, "message": message});
    (status, body.to_string())
}

struct Worker {
    script: Arc<Mutex<Script>>,
    url: String,
    directory: TempDir,
    variables: BTreeMap<String, String>,
    _server: JoinSet<()>,
}

impl Worker {
    async fn start() -> Self {
        let script = Arc::new(Mutex::new(Script::default()));
        let asked = Arc::clone(&script);
        let app = Router::new().fallback(async move |method: Method, uri: Uri, body: Bytes| {
            let (status, text) = asked
                .lock()
                .unwrap()
                .answer(format!("{method} {uri}"), &body);
            let status = StatusCode::from_u16(status).unwrap();
            (status, [(header::CONTENT_TYPE, "application/json")], text)
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            script,
            url,
            directory: tempfile::tempdir().unwrap(),
            variables: BTreeMap::new(),
            _server: server,
        }
    }

    fn on(&self, request: &str, answers: impl IntoIterator<Item = (u16, String)>) -> &Self {
        let answers = answers.into_iter().collect();
        self.script
            .lock()
            .unwrap()
            .answers
            .insert(request.to_owned(), answers);
        self
    }

    fn requests(&self) -> Vec<(String, Json)> {
        std::mem::take(&mut self.script.lock().unwrap().requests)
    }

    fn changes(&self) -> Vec<(String, Json)> {
        let mut requests = self.requests();
        requests.retain(|(request, _)| !request.starts_with("GET"));
        requests
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// What was printed, and the error.
    async fn run(&self, arguments: &[&str]) -> (String, Option<String>) {
        let program = ["connectors", "--url", &self.url];
        self.run_as([&program, arguments].concat()).await
    }

    async fn run_as(&self, arguments: Vec<&str>) -> (String, Option<String>) {
        let command = Program::try_parse_from(arguments).unwrap().command;
        let file = command.env_file.clone();
        let environment = Environment::new(self.variables.clone(), file.as_deref()).unwrap();
        let pace = Pace {
            timeout: Duration::from_millis(600),
            poll: Duration::from_millis(5),
            settle_new: Duration::from_millis(20),
            settle_updated: Duration::from_millis(60),
            stale_failure: Duration::from_millis(150),
        };
        let mut out = Vec::new();
        let result = Box::pin(run_with(command, &environment, pace, &mut out)).await;
        let error = result.err().map(|error| format!("{error:#}"));
        (String::from_utf8(out).unwrap(), error)
    }

    async fn ok(&self, arguments: &[&str]) -> String {
        let (out, error) = self.run(arguments).await;
        assert_eq!(error, None);
        out
    }
}

fn ok(json: Json) -> (u16, String) {
    (200, json.to_string())
}

fn status(connector: &str, tasks: &[(&str, Option<&str>)]) -> (u16, String) {
    let tasks: Vec<_> = tasks
        .iter()
        .enumerate()
        .map(|(id, (state, trace))| {
            let mut task = json!({"id": id, "state": state, "worker_id": "w:8083"});
            if let Some(trace) = trace {
                task["trace"] = json!(trace);
            }
            task
        })
        .collect();
    let connector = json!({"state": connector, "worker_id": "w:8083"});
    ok(json!({"name": "inv", "connector": connector, "tasks": tasks, "type": "source"}))
}

fn info(tasks: u32) -> (u16, String) {
    let tasks: Vec<_> = (0..tasks)
        .map(|task| json!({"connector": "inv", "task": task}))
        .collect();
    ok(json!({"name": "inv", "config": {}, "tasks": tasks, "type": "source"}))
}

const RUNNING: (&str, Option<&str>) = ("RUNNING", None);
const CONFIG: &str =
    r#"{"name": "inv", "config": {"connector.class": "C", "database.password": "hunter2"}}"#;

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
async fn connectors_are_listed_with_their_states_also_those_without_one() {
    let worker = Worker::start().await;
    let connector = json!({"state": "RUNNING", "worker_id": "w:8083"});
    let tasks = json!([{"id": 0, "state": "RUNNING", "worker_id": "w:8083"}, {"id": 1, "state": "FAILED", "worker_id": "w:8083", "trace": "x"}]);
    let expanded = json!({"inv": {
        "status": {"name": "inv", "connector": connector, "tasks": tasks, "type": "sink"},
        "info": {"name": "inv", "config": {"connector.class": "a.b.C"}, "tasks": [], "type": "sink"},
    }});
    worker
        .on("GET /connectors", [ok(json!(["new", "inv"]))])
        .on("GET /connectors?expand=status&expand=info", [ok(expanded)]);
    assert_eq!(
        worker.ok(&["list"]).await,
        "NAME  TYPE  STATE    TASKS                WORKER  CLASS\n\
         inv   sink  RUNNING  1 RUNNING, 1 FAILED  w:8083  a.b.C\n\
         new   -     -        none                         -\n"
    );
    let list: Json = serde_json::from_str(&worker.ok(&["list", "--output", "json"]).await).unwrap();
    assert_eq!(list[0]["tasks"], tasks);
    assert_eq!(
        (&list[0]["class"], &list[1]["name"]),
        (&json!("a.b.C"), &json!("new"))
    );
}

#[tokio::test]
async fn a_new_connector_is_put_with_its_variables_and_waited_for() {
    let mut worker = Worker::start().await;
    worker
        .variables
        .insert("DB_HOST".to_owned(), "db-1".to_owned());
    let env_file = worker.file(".env", "DB_PASS='p\"w$1'\nDB_HOST=other\n");
    let file = worker.file(
        "a.json",
        r#"{"name": "inv a/b", "config": {"connector.class": "C", "tasks.max": 2, "active": true,
            "database.hostname": "${DB_HOST}", "database.password": "${DB_PASS}",
            "secret": "${file:/s.properties:key}", "collection.name.format": "mp_cdc.${topic}"}}"#,
    );
    let connector = "/connectors/inv%20a%2Fb";
    let absent = refusal(404, "Connector inv a/b not found");
    worker
        .on(&format!("GET {connector}"), [absent, info(0), info(2)])
        .on(&format!("PUT {connector}/config"), [(201, info(0).1)])
        .on(
            &format!("GET {connector}/status"),
            [
                refusal(404, "No status found for connector inv a/b"),
                status("RUNNING", &[]),
                status("RUNNING", &[RUNNING, ("UNASSIGNED", None)]),
                status("RUNNING", &[RUNNING]),
                status("RUNNING", &[RUNNING, RUNNING]),
            ],
        );
    let out = worker
        .ok(&["apply", path(&file), "--env-file", path(&env_file)])
        .await;
    assert_eq!(
        out,
        "inv a/b: created, waiting until it runs\ninv a/b: RUNNING, tasks: 2 RUNNING\n"
    );
    let config = json!({
        "connector.class": "C", "tasks.max": "2", "active": "true",
        "database.hostname": "db-1", "database.password": "p\"w$1",
        "secret": "${file:/s.properties:key}", "collection.name.format": "mp_cdc.${topic}",
        "name": "inv a/b",
    });
    assert_eq!(
        worker.changes(),
        [(format!("PUT {connector}/config"), config)]
    );
}

#[tokio::test]
async fn variables_that_are_not_set_are_refused_by_name_before_anything_is_sent() {
    let worker = Worker::start().await;
    let good = worker.file("good.json", CONFIG);
    let bad = worker.file(
        "bad.json",
        r#"{"name": "b", "connector.class": "C", "a": "${TRADING_HOST}", "b": "${TRADING_PASS}"}"#,
    );
    let (_, error) = worker.run(&["apply", path(&good), path(&bad)]).await;
    let error = error.unwrap();
    assert!(
        error.contains("bad.json' needs TRADING_HOST, TRADING_PASS"),
        "{error}"
    );
    assert_eq!(worker.requests(), []);
}

#[tokio::test]
async fn files_come_in_both_shapes_and_as_properties() {
    let worker = Worker::start().await;
    let check = async |text: &str, name: Option<&str>, expected: Result<&str, &str>| {
        let file = worker.file("x", text);
        let read = Definition::read(&file, name, &Environment::default());
        match (read.map(|definition| definition.name), expected) {
            (Ok(name), Ok(expected)) => assert_eq!(name, expected),
            (Err(error), Err(expected)) => {
                assert!(error.to_string().contains(expected), "{error}");
            }
            (read, _) => panic!("{read:?}"),
        }
    };
    check(CONFIG, None, Ok("inv")).await;
    check(CONFIG, Some("inv"), Ok("inv")).await;
    check(
        CONFIG,
        Some("other"),
        Err("of connector 'inv', not of 'other'"),
    )
    .await;
    check(r#"{"connector.class": "C"}"#, Some("bare"), Ok("bare")).await;
    check(r#"{"connector.class": "C"}"#, None, Err("has no name")).await;
    check("name=p\nconnector.class=C\n", None, Ok("p")).await;
    check(r#"{"name": "x"}"#, None, Err("no connector.class")).await;
    check(
        r#"{"name": "x", "connector.class": "C", "password": "********"}"#,
        None,
        Err("password is masked"),
    )
    .await;
    check(
        r#"{"name": "x", "a": {"b": 1}}"#,
        None,
        Err("'a' is no text"),
    )
    .await;
}

#[tokio::test]
async fn a_failed_task_shows_the_first_lines_of_its_trace_without_secrets() {
    let worker = Worker::start().await;
    let trace = "org.apache.kafka.connect.errors.ConnectException: cannot log in with hunter2\n\tat a.B.c(B.java:1)\n\
                 Caused by: java.sql.SQLException: Access denied\n\t... 3 more";
    worker
        .on(
            "GET /connectors/inv",
            [refusal(404, "Connector inv not found"), info(1)],
        )
        .on("PUT /connectors/inv/config", [(201, info(0).1)])
        .on(
            "GET /connectors/inv/status",
            [status("RUNNING", &[("FAILED", Some(trace))])],
        );
    let file = worker.file("a.json", CONFIG);
    let (out, error) = worker.run(&["apply", path(&file)]).await;
    assert_eq!(
        out,
        "inv: created, waiting until it runs\n\
         inv: task 0 FAILED\n  org.apache.kafka.connect.errors.ConnectException: cannot log in with ********\n  \
         Caused by: java.sql.SQLException: Access denied\n"
    );
    assert_eq!(
        error.as_deref(),
        Some("1 of 1 connectors could not be applied")
    );
    let (out, _) = worker
        .run(&["apply", path(&file), "--output", "json"])
        .await;
    let json: Json = serde_json::from_str(&out).unwrap();
    assert!(json[0]["error"].as_str().unwrap().contains("Access denied"));
}

#[tokio::test]
async fn a_failure_from_before_an_update_is_given_time_to_go() {
    let worker = Worker::start().await;
    let failed = status("RUNNING", &[("FAILED", Some("old"))]);
    let file = worker.file("a.json", CONFIG);
    worker
        .on("GET /connectors/inv", [info(1)])
        .on("PUT /connectors/inv/config", [info(1)])
        .on(
            "GET /connectors/inv/status",
            [
                failed.clone(),
                failed.clone(),
                failed.clone(),
                status("RUNNING", &[RUNNING]),
            ],
        );
    let out = worker.ok(&["apply", path(&file)]).await;
    assert_eq!(
        out,
        "inv: updated, waiting until it runs\ninv: RUNNING, tasks: 1 RUNNING\n"
    );
    worker.on("GET /connectors/inv/status", [failed.clone()]);
    let (out, error) = worker.run(&["apply", path(&file)]).await;
    assert!(error.is_some());
    assert!(
        out.contains("older than the update; `restart inv --only-failed`"),
        "{out}"
    );
    // A good state from before does not hide the failure that follows.
    let good = status("RUNNING", &[RUNNING]);
    worker.on(
        "GET /connectors/inv/status",
        [good.clone(), good.clone(), good, failed],
    );
    let (out, error) = worker.run(&["apply", path(&file)]).await;
    assert!(
        error.is_some() && out.ends_with("task 0 FAILED\n  old\n"),
        "{out}"
    );
}

#[tokio::test]
async fn a_connector_that_does_not_come_to_run_ends_the_wait() {
    let worker = Worker::start().await;
    worker
        .on(
            "GET /connectors/inv",
            [refusal(404, "Connector inv not found"), info(1)],
        )
        .on("PUT /connectors/inv/config", [(201, info(0).1)])
        .on(
            "GET /connectors/inv/status",
            [status("RUNNING", &[("UNASSIGNED", None)])],
        );
    let file = worker.file("a.json", CONFIG);
    let (out, error) = worker.run(&["apply", path(&file)]).await;
    assert!(
        out.contains("(--timeout): connector RUNNING, tasks: 1 UNASSIGNED"),
        "{out}"
    );
    assert!(error.is_some());
}

#[tokio::test]
async fn a_refused_connector_does_not_stop_the_others_and_shows_no_secret() {
    let worker = Worker::start().await;
    worker
        .on(
            "PUT /connectors/bad/config",
            [refusal(400, "Connector config {x=hunter2} is invalid")],
        )
        .on(
            "GET /connectors/inv",
            [refusal(404, "Connector inv not found"), info(1)],
        )
        .on("PUT /connectors/inv/config", [(201, info(0).1)])
        .on(
            "GET /connectors/inv/status",
            [status("RUNNING", &[RUNNING])],
        );
    let bad = worker.file("bad.json", &CONFIG.replace("inv", "bad"));
    let good = worker.file("good.json", CONFIG);
    let (out, error) = worker.run(&["apply", path(&bad), path(&good)]).await;
    assert!(
        out.contains("bad: Connector config {x=********} is invalid (HTTP 400)"),
        "{out}"
    );
    assert!(out.contains("inv: RUNNING"), "{out}");
    assert_eq!(
        error.as_deref(),
        Some("1 of 2 connectors could not be applied")
    );
}

#[tokio::test]
async fn an_initial_state_is_posted_and_is_what_is_waited_for() {
    let worker = Worker::start().await;
    worker
        .on(
            "GET /connectors/inv",
            [refusal(404, "Connector inv not found"), info(0)],
        )
        .on("POST /connectors", [(201, info(0).1)])
        .on("GET /connectors/inv/status", [status("STOPPED", &[])]);
    let file = worker.file(
        "a.json",
        r#"{"name": "inv", "initial_state": "STOPPED", "config": {"connector.class": "C"}}"#,
    );
    let out = worker.ok(&["apply", path(&file)]).await;
    assert!(out.ends_with("inv: STOPPED, tasks: none\n"), "{out}");
    assert_eq!(worker.changes()[0].1["initial_state"], "STOPPED");
}

#[tokio::test]
async fn a_rebalance_is_waited_for_but_no_other_conflict() {
    let worker = Worker::start().await;
    let rebalance = refusal(
        409,
        "Cannot complete request momentarily due to no known leader URL",
    );
    let quirk = refusal(
        500,
        "Request cannot be completed because a rebalance is expected",
    );
    worker.on(
        "PUT /connectors/inv/stop",
        [rebalance.clone(), quirk, (204, String::new())],
    );
    assert_eq!(worker.ok(&["stop", "inv"]).await, "inv: stop requested\n");
    assert_eq!(worker.requests().len(), 3);
    worker.on(
        "PUT /connectors/inv/stop",
        [refusal(409, "Connector inv already exists")],
    );
    let (_, error) = worker.run(&["stop", "inv"]).await;
    assert_eq!(
        error.as_deref(),
        Some("Connector inv already exists (HTTP 409)")
    );
    assert_eq!(worker.requests().len(), 1);
    // A rebalance without end ends the command.
    worker.on("PUT /connectors/inv/stop", [rebalance]);
    let (_, error) = worker.run(&["stop", "inv"]).await;
    assert!(error.unwrap().ends_with("no known leader URL (HTTP 409)"));
}

#[tokio::test]
async fn commands_go_to_their_paths() {
    let worker = Worker::start().await;
    let check = async |arguments: &[&str], request: &str| {
        worker.on(request, [(204, String::new())]);
        worker.ok(arguments).await;
        assert_eq!(worker.requests(), [(request.to_owned(), Json::Null)]);
    };
    check(&["pause", "a b"], "PUT /connectors/a%20b/pause").await;
    check(&["resume", "x"], "PUT /connectors/x/resume").await;
    check(&["stop", "x"], "PUT /connectors/x/stop").await;
    check(&["delete", "x"], "DELETE /connectors/x").await;
    check(
        &["restart", "x"],
        "POST /connectors/x/restart?includeTasks=true&onlyFailed=false",
    )
    .await;
    check(
        &["restart", "x", "--only-failed"],
        "POST /connectors/x/restart?includeTasks=true&onlyFailed=true",
    )
    .await;
    check(
        &["restart", "x", "--connector-only"],
        "POST /connectors/x/restart",
    )
    .await;
    check(
        &["restart", "x", "--task", "3"],
        "POST /connectors/x/tasks/3/restart",
    )
    .await;
    assert_eq!(
        worker.ok(&["pause", "a b", "--output", "json"]).await,
        "{\n  \"name\": \"a b\",\n  \"action\": \"pause\"\n}\n"
    );
    let (_, error) = worker.run(&["delete", "nope"]).await;
    assert_eq!(error.as_deref(), Some("HTTP 404 Not Found (HTTP 404)"));
}

#[tokio::test]
async fn secrets_of_a_configuration_are_shown_only_when_asked_for() {
    let worker = Worker::start().await;
    let config = json!({"database.password": "pw", "connector.class": "C", "connection.url": "jdbc:x://h/d?password=pw"});
    worker.on("GET /connectors/inv/config", [ok(config.clone())]);
    assert_eq!(
        worker.ok(&["config", "inv"]).await,
        "PROPERTY           VALUE\n\
         connection.url     jdbc:x://h/d?password=********\n\
         connector.class    C\n\
         database.password  ********\n"
    );
    let json = worker.ok(&["config", "inv", "--output", "json"]).await;
    assert!(!json.contains("pw"), "{json}");
    let json = worker
        .ok(&["config", "inv", "--output", "json", "--show-secrets"])
        .await;
    assert_eq!(serde_json::from_str::<Json>(&json).unwrap(), config);
}

#[tokio::test]
async fn status_offsets_and_plugins_are_tables() {
    let worker = Worker::start().await;
    let sink = json!({"partition": {"kafka_topic": "t", "kafka_partition": 0}, "offset": {"kafka_offset": 42}});
    let plugin = json!({"class": "a.B", "type": "sink", "version": "1.0"});
    worker
        .on(
            "GET /connectors/inv/status",
            [status(
                "RUNNING",
                &[RUNNING, ("FAILED", Some("boom\n\tat x"))],
            )],
        )
        .on(
            "GET /connectors/inv/offsets",
            [ok(json!({"offsets": [sink]}))],
        )
        .on(
            "GET /connector-plugins?connectorsOnly=true",
            [ok(json!([plugin]))],
        )
        .on(
            "GET /connector-plugins?connectorsOnly=false",
            [ok(json!([]))],
        );
    assert_eq!(
        worker.ok(&["status", "inv"]).await,
        "inv\n           STATE    WORKER\nconnector  RUNNING  w:8083\ntask 0     RUNNING  w:8083\n\
         task 1     FAILED   w:8083\n\ntask 1 FAILED\n  boom\n"
    );
    assert_eq!(
        worker.ok(&["offsets", "inv"]).await,
        "PARTITION                        OFFSET\nkafka_topic=t kafka_partition=0  kafka_offset=42\n"
    );
    assert_eq!(
        worker.ok(&["plugins"]).await,
        "TYPE  CLASS  VERSION\nsink  a.B    1.0\n"
    );
    assert_eq!(
        worker.ok(&["plugins", "--all"]).await,
        "TYPE  CLASS  VERSION\n"
    );
}

#[tokio::test]
async fn validation_shows_errors_and_no_values() {
    let worker = Worker::start().await;
    let value = |name: &str, errors: &[&str]| json!({"definition": null, "value": {"name": name, "value": "hunter2", "errors": errors, "visible": true}});
    let request = "PUT /connector-plugins/C/config/validate";
    let configs = [
        value("name", &[]),
        value("topics", &["Must not be hunter2"]),
    ];
    worker.on(
        request,
        [ok(
            json!({"name": "C", "error_count": 1, "configs": configs}),
        )],
    );
    let file = worker.file("a.json", CONFIG);
    let (out, error) = worker.run(&["validate", path(&file)]).await;
    assert_eq!(out, "PROPERTY  ERROR\ntopics    Must not be ********\n");
    assert_eq!(
        error.as_deref(),
        Some("the configuration of 'inv' has 1 error(s)")
    );
    let (out, _) = worker
        .run(&["validate", path(&file), "--output", "json"])
        .await;
    let expected = json!({"name": "inv", "error_count": 1, "errors": [{"property": "topics", "errors": ["Must not be ********"]}]});
    assert_eq!(serde_json::from_str::<Json>(&out).unwrap(), expected);
    worker.on(
        request,
        [ok(json!({"name": "C", "error_count": 0, "configs": []}))],
    );
    assert_eq!(
        worker.ok(&["validate", path(&file)]).await,
        "inv: the configuration is valid\n"
    );
}

#[tokio::test]
async fn the_address_comes_from_the_option_then_from_variables() {
    let mut worker = Worker::start().await;
    worker.on(
        "GET /base/connector-plugins?connectorsOnly=true",
        [ok(json!([]))],
    );
    worker
        .variables
        .insert("DEBEZIUM_URL".to_owned(), format!("{}/base/", worker.url));
    let (_, error) = worker.run_as(vec!["connectors", "plugins"]).await;
    assert_eq!(error, None);
    worker.variables.insert(
        "TIDEGATE_URL".to_owned(),
        "http://me:s3cret@127.0.0.1:1".to_owned(),
    );
    let (_, error) = worker.run_as(vec!["connectors", "plugins"]).await;
    let error = error.unwrap();
    assert!(
        error.contains("no answer from http://127.0.0.1:1; is the worker running"),
        "{error}"
    );
    assert!(!error.contains("s3cret"));
    let (_, error) = worker
        .run_as(vec!["connectors", "plugins", "--url", "ftp://x"])
        .await;
    assert!(error.unwrap().contains("http:// or https://"));
}

#[tokio::test]
async fn a_server_that_is_no_worker_is_named() {
    let worker = Worker::start().await;
    worker.on("GET /connectors", [(200, "<html>".to_owned())]);
    let (_, error) = worker.run(&["list"]).await;
    assert!(
        error
            .unwrap()
            .contains("does not answer /connectors as a Connect worker does")
    );
    worker.on("GET /connectors", [(502, "<html>".to_owned())]);
    let (_, error) = worker.run(&["list"]).await;
    assert!(error.unwrap().ends_with("is it one? (--url) (HTTP 502)"));
}

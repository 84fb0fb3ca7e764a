//! Passwords appear in stored configurations, where the original has them, too, and nowhere else.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tidegate_integration_tests::{
    CdcPipeline, MariaDb, PipelineOptions, Properties, SINK_PASSWORD, flushed_to_the_kernel,
    free_port, merge, row,
};

use crate::{put, validate};

/// Password of the source's account, known to the worker through a file alone.
const SOURCE: &str = "s3cret-source-4711";
const WRONG: &str = "s3cret-wrong-0815";
const IN_URL: &str = "s3cret-in-url-1234";
const JAAS: &str = "s3cret-jaas-5678";
const SECRETS: [&str; 5] = [SOURCE, WRONG, IN_URL, JAAS, SINK_PASSWORD];

#[track_caller]
fn assert_clean(what: &str, text: &str) {
    for secret in SECRETS {
        let line = text.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{what} has {secret}: {line:?}");
    }
}

/// Names of connectors whose every answer but the configuration's is looked at.
async fn assert_answers_are_clean(pipeline: &CdcPipeline, connectors: &[&str]) -> Result<()> {
    let rest = pipeline.rest();
    let mut paths: Vec<String> = [
        "/",
        "/connectors",
        "/connectors?expand=status",
        "/connector-plugins",
        "/no/such/path",
    ]
    .map(str::to_owned)
    .to_vec();
    for name in connectors {
        let below = [
            "status",
            "offsets",
            "topics",
            "tasks/0/status",
            "tasks/9/status",
        ];
        paths.extend(below.map(|part| format!("/connectors/{name}/{part}")));
    }
    for path in paths {
        let answer = rest.get(&path).await?;
        assert_clean(&path, &answer.body.to_string());
    }
    Ok(())
}

/// A worker that logs everything, with a file of secrets.
async fn start(folder: &tempfile::TempDir) -> Result<(CdcPipeline, String)> {
    let file = folder.path().join("secrets.properties");
    std::fs::write(&file, format!("source={SOURCE}\nurl={IN_URL}\n"))?;
    let provider = "org.apache.kafka.common.config.provider.FileConfigProvider";
    let worker = Properties::from(
        [
            ("config.providers", "file"),
            ("config.providers.file.class", provider),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    let options = PipelineOptions {
        worker,
        env: vec![("TIDEGATE_LOG", "trace")],
        ..PipelineOptions::default()
    };
    let source = MariaDb::start(flushed_to_the_kernel()).await?;
    let account =
        format!("CREATE USER keeper@'%' IDENTIFIED BY '{SOURCE}'; GRANT ALL ON *.* TO keeper@'%'");
    source.exec("", &account).await?;
    let pipeline = CdcPipeline::start_from(source, options).await?;
    Ok((pipeline, format!("${{file:{}:", file.display())))
}

#[tokio::test]
async fn secrets_of_connectors_that_run_stay_where_they_are() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (pipeline, from_file) = start(&folder).await?;
    pipeline.create_t().await?;
    let rest = pipeline.rest();
    let jaas = format!(
        "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"u\" password=\"{JAAS}\";"
    );
    let source = pipeline.source_config(&json!({"database.user": "keeper",
        "database.password": format!("{from_file}source}}"), "producer.override.sasl.jaas.config": jaas,
        "schema.history.internal.producer.sasl.jaas.config": jaas, "name": "source"}));
    let url = pipeline.target.jdbc_url("postgres");
    let sink = pipeline.sink_config(&json!({"connection.url": format!("{url}?sslmode=disable&password={from_file}url}}"), "name": "sink"}));
    rest.put_config("source", &source).await?;
    rest.put_config("sink", &sink).await?;
    pipeline.target_has("id, v", &[row(&["1", "1"])]).await?;
    pipeline
        .streams("source", "INSERT INTO t SELECT MAX(id) + 1, 1 FROM t")
        .await?;
    assert_answers_are_clean(&pipeline, &["source", "sink"]).await?;
    // Configurations come back as they were posted: with the references, not what they stand for.
    for path in [
        "/connectors/source",
        "/connectors/sink/config",
        "/connectors/source/tasks",
        "/connectors?expand=info",
    ] {
        let body = rest.get(path).await?.success()?.to_string();
        ensure!(body.contains(&from_file), "{path}: {body}");
        ensure!(
            !body.contains(SOURCE) && !body.contains(IN_URL),
            "{path}: {body}"
        );
    }
    // Validation shows passwords as the original does.
    let answer = validate(&rest, &source).await?;
    let password = value_of(&answer, "database.password");
    assert_eq!(password, "[hidden]");
    assert_eq!(
        value_of(&validate(&rest, &sink).await?, "connection.password"),
        "[hidden]"
    );
    assert_clean(
        "validation",
        &answer["configs"].to_string().replace(JAAS, ""),
    );
    rest.restart("source").await?;
    pipeline.worker.stop().await?;
    for topic in [
        "connect-status",
        "connect-offsets",
        "shop.shop.t",
        "shop",
        "shop.history",
    ] {
        for record in pipeline.topic(topic).await? {
            assert_clean(topic, &record.key_text());
            assert_clean(topic, &record.value_text());
        }
    }
    for record in pipeline.topic("connect-configs").await? {
        let text = record.value_text();
        ensure!(!text.contains(SOURCE) && !text.contains(IN_URL), "{text}");
    }
    let log = pipeline.worker.log();
    ensure!(log.contains(" TRACE ") && log.contains(" DEBUG "), "{log}");
    assert_clean("the log", &log);
    Ok(())
}

fn value_of(validation: &Value, name: &str) -> Value {
    let configs = validation["configs"].as_array().into_iter().flatten();
    let mut values = configs.map(|info| &info["value"]);
    values
        .find(|value| value["name"] == name)
        .map_or(Value::Null, |value| value["value"].clone())
}

#[tokio::test]
async fn secrets_of_connectors_that_fail_stay_where_they_are() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (pipeline, from_file) = start(&folder).await?;
    pipeline.create_t().await?;
    let rest = pipeline.rest();
    let errors_of = |answer: &Value| {
        let infos = answer["configs"].as_array().into_iter().flatten();
        infos
            .map(|info| info["value"]["errors"].to_string())
            .collect::<String>()
    };
    // Refused: a wrong password, a setting that does not fit, a provider that does not know the key, no class at all.
    let base = pipeline.source_config(&json!({"name": "source"}));
    for wrong in [
        json!({"database.password": WRONG}),
        json!({"database.password": WRONG, "database.port": "many"}),
        json!({"database.password": WRONG, "database.hostname": "no.such.host.invalid"}),
        json!({"database.password": WRONG, "snapshot.mode": "sometimes"}),
        json!({"database.password": WRONG, "database.user": format!("{from_file}nothing}}")}),
        json!({"database.password": WRONG, "connector.class": "NoSuchConnector"}),
        json!({"database.password": WRONG, "connector.class": ""}),
        json!({"database.password": format!("{from_file}url}}")}),
        json!({"database.password": {"nested": WRONG}}),
        json!({"database.password": [WRONG]}),
    ] {
        let config = merge(base.clone(), &wrong);
        let answer = put(&rest, "source", &config).await?;
        ensure!(answer.status >= 400, "{wrong}: {}", answer.body);
        assert_clean("a refusal", &answer.body.to_string());
        if let Ok(answer) = validate(&rest, &config).await {
            assert_clean("errors of validation", &errors_of(&answer));
        }
    }
    // Taken, and failing when they run.
    let url = |port: u16| {
        format!("jdbc:postgresql://127.0.0.1:{port}/postgres?user=postgres&password={IN_URL}")
    };
    let no_database = pipeline.target.jdbc_url("nowhere") + "?sslmode=disable&password=" + IN_URL;
    let failing = [
        (
            "away",
            json!({"connection.url": url(free_port()) + "&sslmode=disable", "flush.retry.delay.ms": "50"}),
        ),
        (
            "tls",
            json!({"connection.url": url(pipeline.target.port()) + "&sslmode=require"}),
        ),
        ("nowhere", json!({"connection.url": no_database})),
        (
            "unknown",
            json!({"connection.url": url(pipeline.target.port()) + "&nosuchoption=1"}),
        ),
        (
            "broken",
            json!({"connection.url": format!("jdbc:postgresql://postgres:{IN_URL}@127.0.0.1:x/postgres")}),
        ),
    ];
    rest.put_config("source", &base).await?;
    let mut taken = vec!["source"];
    for (name, extra) in &failing {
        let config = merge(pipeline.sink_config(extra), &json!({"name": name}));
        if let Ok(answer) = validate(&rest, &config).await {
            assert_clean("errors of validation", &errors_of(&answer));
        }
        let answer = put(&rest, name, &config).await?;
        if answer.status < 300 {
            taken.push(name);
        } else {
            assert_clean("a refusal", &answer.body.to_string());
        }
    }
    ensure!(taken.len() > 2, "{taken:?}");
    for name in taken.iter().filter(|name| **name != "source") {
        pipeline.log_has(&format!("{name}-0")).await?;
    }
    pipeline.log_has("next attempt in").await?;
    assert_answers_are_clean(&pipeline, &taken).await?;
    pipeline.worker.stop().await?;
    for record in pipeline.topic("connect-status").await? {
        assert_clean("connect-status", &record.value_text());
    }
    assert_clean("the log", &pipeline.worker.log());
    Ok(())
}

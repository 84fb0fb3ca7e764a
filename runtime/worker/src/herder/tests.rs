use tidegate_tasks::TargetState;

use super::*;
use crate::testing::{Answers, Bench, tested};

/// The worker's end, in virtual time.
async fn stopped(bench: &Bench) {
    tokio::time::pause();
    let stopped = tokio::time::timeout(Duration::from_secs(40), bench.herder.stop());
    stopped.await.expect("an end");
}

#[tokio::test]
async fn the_end_does_not_wait_for_a_log_that_is_away() {
    let bench = Bench::distributed(&[]).await;
    let herder = &bench.herder;
    herder.create("a", tested("a", "1"), None).await.unwrap();
    bench.states_become("a", &["RUNNING", "RUNNING"]).await;
    // One connector's actor is about to store task configurations, another's change waits for the topic to be read.
    bench.script.connector_starts.shut();
    herder.put("a", tested("a", "2")).await.unwrap();
    bench.script.connector_starts.reached().await;
    bench.gate.set(Answers::Later);
    bench.script.connector_starts.open();
    bench.gate.reached().await;
    let reading = herder.clone();
    herder
        .shared
        .tasks
        .spawn(async move { reading.shared.configs.refresh().await });
    stopped(&bench).await;
    // Its task has been told, though its actor could not.
    assert_eq!(bench.script.running(), [""; 0]);
}

#[tokio::test]
async fn nothing_starts_after_the_end() {
    let bench = Bench::distributed(&[]).await;
    bench.herder.stop().await;
    let created = bench.herder.create("a", tested("a", "1"), None).await;
    let error = created.expect_err("it has ended");
    assert_eq!(error.status, 500);
    let paused = bench.herder.set_target("a", TargetState::Paused).await;
    paused.expect_err("it has ended");
    assert_eq!(bench.script.running(), [""; 0]);
}

const FILE_PROVIDER: [(&str, &str); 2] = [
    ("config.providers", "file"),
    ("config.providers.file.class", "FileConfigProvider"),
];

#[tokio::test]
async fn answers_show_placeholders_and_no_secret() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("secrets");
    std::fs::write(&file, "k=s3cret-word\n").unwrap();
    let bench = Bench::standalone(&FILE_PROVIDER).await;
    let mut config = tested("a", "1");
    let placeholder = format!("${{file:{}:k}}", file.display());
    for name in [
        "errors.tolerance",
        "tasks.max",
        "producer.override.client.id",
    ] {
        config.set(name, placeholder.as_str());
    }
    config.set("transforms", format!("x,{placeholder}"));
    config.set("producer.override.ssl.keystore.key", "a-private-key");
    let infos = bench.herder.validate(&config, &[]).await.unwrap();
    let answer = infos.to_json().to_string();
    let error = infos.check().unwrap_err().message;
    for text in [&answer, &error] {
        assert!(!text.contains("s3cret"), "{text}");
        assert!(!text.contains("a-private-key"), "{text}");
        let shown = format!("Invalid value {placeholder} for configuration errors.tolerance");
        assert!(text.contains(&shown), "{text}");
    }
    let value = |name: &str| {
        let configs = serde_json::from_str::<serde_json::Value>(&answer).unwrap();
        let all = configs["configs"].as_array().unwrap().clone();
        let found = all
            .into_iter()
            .find(|config| config["value"]["name"] == name);
        found.unwrap()["value"]["value"].clone()
    };
    assert_eq!(value("producer.override.client.id"), placeholder);
    assert_eq!(value("producer.override.ssl.keystore.key"), "[hidden]");
    assert_eq!(value("transforms"), format!("x,{placeholder}"));
}

#[tokio::test]
async fn a_restart_whose_secret_is_gone_leaves_what_runs() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("secrets");
    std::fs::write(&file, "k=1\n").unwrap();
    let bench = Bench::standalone(&FILE_PROVIDER).await;
    let herder = &bench.herder;
    let config = tested("a", &format!("${{file:{}:k}}", file.display()));
    herder.create("a", config.clone(), None).await.unwrap();
    bench.states_become("a", &["RUNNING", "RUNNING"]).await;
    std::fs::remove_file(&file).unwrap();
    let error = herder.restart_connector("a").await.unwrap_err();
    assert_eq!(error.status, 500);
    let text = "Could not read properties from file ";
    assert!(error.message.contains(text), "{error}");
    let error = herder.check(&config, &[]).await.unwrap_err();
    assert_eq!(error.status, 400);
    assert!(error.message.starts_with(text), "{error}");
    assert_eq!(bench.states("a"), ["RUNNING", "RUNNING"]);
}

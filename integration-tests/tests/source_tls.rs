//! `database.ssl.*`: both connections of a source are encrypted as its mode says, and what does not fit is named.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tidegate_integration_tests::{
    MariaDb, Mode, MySql, MySqlOptions, MySqlServer, Properties, Rest, TidegateWorker, eventually,
};

const DEADLINE: Duration = Duration::from_mins(2);

fn run(folder: &Path, program: &str, args: &str) -> Result<()> {
    let output = Command::new(program)
        .args(args.split_whitespace())
        .current_dir(folder)
        .output()
        .with_context(|| format!("could not run {program}"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} {args}: {text}");
    Ok(())
}

/// A folder that servers may read with `ca.pem`, a server's `server.pem` and `server.key` for 127.0.0.1, a client's
/// `client.pem` with certificate and key and `client.p12`, and `ca.jks` and `ca.p12` for Java; passwords are `changeit`.
fn certificates() -> Result<tempfile::TempDir> {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir()?;
    let path = folder.path();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
    std::fs::write(path.join("san"), "subjectAltName=IP:127.0.0.1")?;
    let openssl = |args: &str| run(path, "openssl", args);
    openssl("req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ca -keyout ca.key -out ca.pem")?;
    for (name, extra) in [("server", "-extfile san"), ("client", "")] {
        openssl(&format!(
            "req -newkey rsa:2048 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr"
        ))?;
        openssl(&format!(
            "x509 -req -days 2 -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial {extra} -out {name}.pem"
        ))?;
    }
    openssl(
        "pkcs12 -export -in client.pem -inkey client.key -passout pass:changeit -out client.p12",
    )?;
    let key = std::fs::read_to_string(path.join("client.key"))?;
    let certificate = std::fs::read_to_string(path.join("client.pem"))?;
    std::fs::write(path.join("client.pem"), certificate + &key)?;
    for (kind, file) in [("JKS", "ca.jks"), ("PKCS12", "ca.p12")] {
        run(
            path,
            "keytool",
            &format!(
                "-importcert -noprompt -alias ca -file ca.pem -storetype {kind} -keystore {file} -storepass changeit"
            ),
        )?;
    }
    run(
        path,
        "keytool",
        "-genkeypair -alias own -dname CN=own -keyalg RSA -storetype JKS -keystore own.jks -storepass changeit -keypass changeit",
    )?;
    for name in ["server.key", "server.pem", "ca.pem"] {
        std::fs::set_permissions(path.join(name), std::fs::Permissions::from_mode(0o644))?;
    }
    Ok(folder)
}

async fn worker() -> Result<TidegateWorker> {
    let props = Properties::from([("offset.flush.interval.ms".to_owned(), "200".to_owned())]);
    TidegateWorker::start(Mode::Distributed, &props).await
}

fn config(class: &str, server: &MySqlServer, name: &str, extra: &Value) -> Value {
    let mut config = json!({
        "connector.class": class, "database.server.id": "7200",
        "topic.prefix": name, "database.include.list": "shop",
        "schema.history.internal.kafka.bootstrap.servers": "unused:1",
        "schema.history.internal.kafka.topic": format!("{name}.history"),
    });
    let all = config.as_object_mut().expect("an object");
    for (name, value) in server.connector_props() {
        all.insert(name, value.into());
    }
    all.extend(extra.as_object().expect("an object").clone());
    config
}

const MARIADB: &str = "io.debezium.connector.mariadb.MariaDbConnector";
const MYSQL: &str = "io.debezium.connector.mysql.MySqlConnector";

/// The connector reads the binary log; `server.user` is then let in only encrypted, so that both connections were.
async fn streams(
    rest: &Rest,
    class: &str,
    server: &MySqlServer,
    name: &str,
    extra: &Value,
) -> Result<()> {
    rest.put_config(name, &config(class, server, name, extra))
        .await?;
    let insert = "INSERT INTO t SELECT COALESCE(MAX(id), 0) + 1 FROM t";
    eventually(DEADLINE, "an offset without a snapshot in it", || async {
        server.exec("shop", insert).await?;
        let offsets = rest.offsets(name).await?;
        ensure!(
            offsets["offsets"][0]["offset"]["server_id"].is_u64(),
            "{offsets} {}",
            rest.status(name).await?
        );
        Ok(())
    })
    .await?;
    rest.delete(name).await
}

/// The configuration is refused; the error names all texts and no password.
async fn refused(rest: &Rest, config: &Value, texts: &[&str]) -> Result<()> {
    let answer = rest.put("/connectors/no/config", Some(config)).await?;
    let text = answer.body.to_string();
    ensure!(answer.status == 400, "{} {text}", answer.status);
    for part in texts {
        ensure!(text.contains(part), "no '{part}' in {text}");
    }
    ensure!(!text.contains("changeit"), "{text}");
    Ok(())
}

const SETUP: &str = "CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY)";

#[tokio::test]
async fn mariadb_with_tls() -> Result<()> {
    let certificates = certificates()?;
    let file = |name: &str| certificates.path().join(name).display().to_string();
    let options = MySqlOptions::default()
        .arg(format!("--ssl-ca={}", file("ca.pem")))
        .arg(format!("--ssl-cert={}", file("server.pem")))
        .arg(format!("--ssl-key={}", file("server.key")));
    let server = MariaDb::start(options).await?;
    server.exec("", SETUP).await?;
    let worker = worker().await?;
    let rest = worker.rest();
    let user = server.user();
    server
        .exec("", &format!("ALTER USER {user}@'%' REQUIRE SSL"))
        .await?;

    let plain = config(MARIADB, &server, "no", &json!({}));
    refused(&rest, &plain, &["Failed to authenticate", "database.user"]).await?;
    let trust = json!({"database.ssl.mode": "trust"});
    streams(&rest, MARIADB, &server, "trust", &trust).await?;

    for (name, store) in [("pem", "ca.pem"), ("jks", "ca.jks"), ("p12", "ca.p12")] {
        let full = json!({
            "database.ssl.mode": "verify-full",
            "database.ssl.truststore": file(store),
            "database.ssl.truststore.password": "changeit",
        });
        streams(&rest, MARIADB, &server, name, &full).await?;
    }

    // The system's authorities did not sign it, and neither did another one.
    let untrusted = json!({"database.ssl.mode": "verify-ca"});
    let texts = [
        "certificate is not trusted",
        "verify-ca",
        "database.ssl.truststore",
    ];
    refused(&rest, &config(MARIADB, &server, "no", &untrusted), &texts).await?;
    let other =
        json!({"database.ssl.mode": "verify-ca", "database.ssl.truststore": file("client.pem")});
    refused(&rest, &config(MARIADB, &server, "no", &other), &texts).await?;

    server
        .exec("", &format!("ALTER USER {user}@'%' REQUIRE X509"))
        .await?;
    refused(
        &rest,
        &config(MARIADB, &server, "no", &trust),
        &["Failed to authenticate"],
    )
    .await?;
    for (name, store) in [("client-pem", "client.pem"), ("client-p12", "client.p12")] {
        let own = json!({
            "database.ssl.mode": "verify-ca",
            "database.ssl.truststore": file("ca.pem"),
            "database.ssl.keystore": file(store),
            "database.ssl.keystore.password": "changeit",
        });
        streams(&rest, MARIADB, &server, name, &own).await?;
    }

    for (property, store, password, text) in [
        ("truststore", "missing.pem", "changeit", "No such file"),
        ("truststore", "ca.key", "changeit", "no certificate"),
        ("truststore", "server.csr", "changeit", "no certificate"),
        ("truststore", "ca.jks", "wrong", "password is wrong"),
        ("truststore", "ca.p12", "wrong", "password"),
        ("truststore", "own.jks", "changeit", "entry 'own' is a key"),
        (
            "truststore",
            "san",
            "changeit",
            "neither PEM nor PKCS#12 nor JKS",
        ),
        ("keystore", "own.jks", "changeit", "keytool -importkeystore"),
        ("keystore", "ca.p12", "changeit", "no private key"),
        ("keystore", "ca.pem", "changeit", "private key"),
    ] {
        let name = format!("database.ssl.{property}");
        let wrong = json!({
            "database.ssl.mode": "verify-ca",
            &name: file(store),
            format!("{name}.password"): password,
        });
        let config = config(MARIADB, &server, "no", &wrong);
        refused(&rest, &config, &[&name, store, text])
            .await
            .with_context(|| format!("{property} {store}"))?;
    }
    Ok(())
}

#[tokio::test]
async fn mariadb_without_tls() -> Result<()> {
    let server = MariaDb::start(MySqlOptions::default().arg("--skip-ssl")).await?;
    server.exec("", SETUP).await?;
    let worker = worker().await?;
    let texts = ["the server does not support SSL", "database.ssl.mode=trust"];
    let trust = json!({"database.ssl.mode": "trust"});
    let config = config(MARIADB, &server, "no", &trust);
    refused(&worker.rest(), &config, &texts).await
}

#[tokio::test]
async fn mysql_with_tls() -> Result<()> {
    let server = MySql::start(MySqlOptions::default()).await?;
    server.exec("", SETUP).await?;
    // What the server made for itself, without a name of a host in it.
    let rows = server
        .rows("", "SELECT LOAD_FILE(CONCAT(@@datadir, 'ca.pem'))")
        .await?;
    let pem = rows[0][0].clone().context("the server's authority")?;
    let folder = tempfile::tempdir()?;
    let authority: PathBuf = folder.path().join("ca.pem");
    std::fs::write(&authority, pem)?;
    let worker = worker().await?;
    let rest = worker.rest();
    let mode = |mode: &str| json!({"database.ssl.mode": mode, "database.ssl.truststore": authority.display().to_string()});

    let disabled = json!({"database.ssl.mode": "disabled"});
    streams(&rest, MYSQL, &server, "disabled", &disabled).await?;
    let alter = format!("ALTER USER {}@'%' REQUIRE SSL", server.user());
    server.exec("", &alter).await?;
    let texts = ["Failed to authenticate", "database.user"];
    refused(&rest, &config(MYSQL, &server, "no", &disabled), &texts).await?;
    streams(&rest, MYSQL, &server, "default", &json!({})).await?;
    let required = json!({"database.ssl.mode": "required"});
    streams(&rest, MYSQL, &server, "required", &required).await?;
    streams(&rest, MYSQL, &server, "verify", &mode("verify_ca")).await?;

    let texts = ["certificate is for another host", "verify_ca"];
    let identity = config(MYSQL, &server, "no", &mode("verify_identity"));
    refused(&rest, &identity, &texts).await?;
    let texts = ["certificate is not trusted", "database.ssl.truststore"];
    let untrusted = json!({"database.ssl.mode": "verify_ca"});
    refused(&rest, &config(MYSQL, &server, "no", &untrusted), &texts).await
}

#[tokio::test]
async fn mysql_without_tls() -> Result<()> {
    let server = MySql::start(MySqlOptions::default().arg("--tls-version=")).await?;
    server.exec("", SETUP).await?;
    let worker = worker().await?;
    let rest = worker.rest();
    let texts = [
        "the server does not support SSL",
        "database.ssl.mode=required",
    ];
    let required = json!({"database.ssl.mode": "required"});
    refused(&rest, &config(MYSQL, &server, "no", &required), &texts).await?;
    streams(&rest, MYSQL, &server, "preferred", &json!({})).await
}

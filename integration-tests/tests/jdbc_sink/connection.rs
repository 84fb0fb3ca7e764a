//! What a URL says of the connection.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use tempfile::TempDir;
use tidegate_api::ErrorKind;
use tidegate_integration_tests::PostgresOptions;

use super::case::{ALL, Case, database, masked, own_server, start_task};

fn run(folder: &Path, command: &str) -> Result<()> {
    let mut words = command.split(' ');
    let output = Command::new(words.next().unwrap_or_default())
        .args(words)
        .current_dir(folder)
        .output()?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command}: {error}");
    Ok(())
}

/// An authority, certificates of a server and a client, and the client's key in all forms.
fn certificates() -> Result<TempDir> {
    let folder = tempfile::tempdir()?;
    let new = "openssl req -x509 -newkey rsa:2048 -nodes -days 2";
    let signed = format!("{new} -CA ca.crt -CAkey ca.key");
    let pkcs8 = "openssl pkcs8 -topk8 -in client.key";
    for command in [
        &format!("{new} -subj /CN=ca -keyout ca.key -out ca.crt"),
        &format!("{new} -subj /CN=other -keyout other.key -out other.crt"),
        &format!(
            "{signed} -subj /CN=server -addext subjectAltName=IP:127.0.0.1 -keyout server.key -out server.crt"
        ),
        &format!("{signed} -subj /CN=client -keyout client.key -out client.crt"),
        &format!("{pkcs8} -nocrypt -outform DER -out client.pk8"),
        &format!("{pkcs8} -passout pass:s3cret -outform DER -out secret.pk8"),
        "openssl pkcs12 -export -in client.crt -inkey client.key -passout pass:s3cret -out client.p12",
        "openssl x509 -in client.crt -outform DER -out client.der",
        "chown postgres server.key server.crt ca.crt",
    ] {
        run(folder.path(), command)?;
    }
    let read = |name| fs::read_to_string(folder.path().join(name));
    fs::write(
        folder.path().join("bundle.crt"),
        read("other.crt")? + &read("ca.crt")?,
    )?;
    fs::write(folder.path().join("bad.key"), "no key")?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
    Ok(folder)
}

#[tokio::test]
async fn tls_is_what_the_url_says() -> Result<()> {
    let folder = certificates()?;
    let folder = folder.path().display();
    let database = own_server(PostgresOptions {
        settings: vec![
            "ssl=on".to_owned(),
            format!("ssl_cert_file={folder}/server.crt"),
            format!("ssl_key_file={folder}/server.key"),
            format!("ssl_ca_file={folder}/ca.crt"),
        ],
        ..PostgresOptions::default()
    })
    .await?;
    let lax = "sslfactory=org.postgresql.ssl.NonValidatingFactory";
    let client = format!("sslmode=require&sslcert={folder}/client.crt");
    for (index, (query, encrypted, name)) in [
        (String::new(), "true", "-"),
        (format!("ssl=true&sslrootcert={folder}/ca.crt"), "true", "-"),
        (format!("ssl&sslrootcert={folder}/bundle.crt"), "true", "-"),
        (format!("ssl=true&{lax}"), "true", "-"),
        ("ssl=true&sslmode=disable".to_owned(), "false", "-"),
        ("sslmode=disable&ssl=true".to_owned(), "false", "-"),
        ("sslmode=allow".to_owned(), "true", "-"),
        (
            format!("sslmode=require&sslrootcert={folder}/none"),
            "true",
            "-",
        ),
        (
            format!("{client}&sslkey={folder}/client.pk8"),
            "true",
            "/CN=client",
        ),
        (
            format!("{client}&sslkey={folder}/client.key"),
            "true",
            "/CN=client",
        ),
        (
            format!("{client}&sslkey={folder}/secret.pk8&sslpassword=s3cret"),
            "true",
            "/CN=client",
        ),
        (
            format!("sslmode=require&sslkey={folder}/client.p12&sslpassword=s3cret"),
            "true",
            "/CN=client",
        ),
        (
            format!("sslmode=require&sslcert={folder}/client.der&sslkey={folder}/client.pk8"),
            "true",
            "/CN=client",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let url = database.jdbc_url() + &format!("?{query}&ApplicationName=case{index}");
        let mut task = start_task(&database, &[("connection.url", &url)], None).await??;
        let sql = format!(
            "SELECT ssl::text, coalesce(client_dn, '-') FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'case{index}'"
        );
        let rows = database.rows(&sql).await?;
        let expected = [encrypted, name].map(|text| Some(text.to_owned()));
        assert_eq!(rows, [expected], "{query}");
        task.stop().await;
    }
    for (query, text) in [
        ("ssl=true".to_owned(), "certificate verify failed"),
        (
            format!("ssl=true&sslrootcert={folder}/other.crt"),
            "Let sslrootcert of connection.url name",
        ),
        (
            format!("ssl=true&sslrootcert={folder}/none"),
            "the file of sslrootcert, FOLDER/none, cannot be read: No such file",
        ),
        (
            format!("ssl=true&sslrootcert={folder}/bad.key"),
            "sslrootcert FOLDER/bad.key cannot be used",
        ),
        (
            format!("{client}&sslkey={folder}/bad.key"),
            "sslkey FOLDER/bad.key cannot be used",
        ),
        (
            format!("{client}&sslkey={folder}/secret.pk8"),
            "sslpassword decrypts it",
        ),
        (
            format!("{client}&sslkey={folder}/secret.pk8&sslpassword=s3cre"),
            "sslpassword decrypts it",
        ),
        (
            format!("{client}&sslkey={folder}/other.key"),
            "the key of sslkey FOLDER/other.key is not that of the certificate sslcert FOLDER/client.crt",
        ),
        (
            format!("ssl=true&sslkey={folder}/client.p12&sslpassword="),
            "sslkey FOLDER/client.p12 cannot be used",
        ),
    ] {
        let url = database.jdbc_url() + "?" + &query;
        let started = start_task(&database, &[("connection.url", &url)], None).await?;
        let Err(error) = started else {
            panic!("{query} is accepted");
        };
        let found = masked(&database, &error).replace(&folder.to_string(), "FOLDER");
        assert!(
            found.starts_with("sink-0: ") && found.contains(text),
            "{query}: {found}"
        );
        assert_eq!(error.kind(), ErrorKind::Fatal, "{found}");
    }
    Ok(())
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_the_url_asks_for_it() -> Result<()> {
    let database = database().await?;
    let url = database.jdbc_url() + "?sslmode=require";
    let started = start_task(&database, &[("connection.url", &url)], None).await?;
    let error = started.err().expect("there is no TLS");
    let text = masked(&database, &error);
    assert_eq!(error.kind(), ErrorKind::Fatal);
    assert!(
        text.contains("server does not support TLS. Switch it on"),
        "{text}"
    );
    Ok(())
}

#[tokio::test]
async fn settings_of_the_session_come_from_the_url() -> Result<()> {
    let database = database().await?;
    database.exec("CREATE SCHEMA \"an other\"").await?;
    let url = database.jdbc_url() + "?options=-c%20search_path%3D%22an%5C+other%22";
    let mut case = Case::start_on(database, &[("connection.url", &url)], false).await??;
    let batch = [case.row(1, "a")];
    case.task.put(&batch).await?;
    case.check("SELECT note FROM \"an other\".a_orders", &[&["a"]])
        .await
}

const DEADLINE: Duration = Duration::from_mins(2);

/// The error of a put, which must come before a deadline.
async fn refused_in_time(case: &mut Case, rows: i64) -> Result<(ErrorKind, String)> {
    let batch: Vec<_> = (0..rows).map(|id| case.row(id, "a")).collect();
    Ok(tokio::time::timeout(DEADLINE, case.refused(&batch)).await?)
}

#[tokio::test]
async fn a_host_that_does_not_answer_is_waited_for_as_long_as_the_url_says() -> Result<()> {
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let silent = silent.local_addr()?;
    let database = database().await?;
    let name = database.name();
    let port = database.server().port();
    // Each host has its time; the last one answers.
    let url = format!(
        "jdbc:postgresql://{silent},{silent},127.0.0.1:{port}/{name}?sslmode=disable&connectTimeout=1&loginTimeout=60"
    );
    let settings = [("connection.url", url.as_str())];
    let started = Case::start_on(database, &settings, false);
    let mut case = tokio::time::timeout(DEADLINE, started).await???;
    let batch = [case.row(1, "a")];
    case.task.put(&batch).await?;
    case.check(ALL, &[&["1", "a"]]).await?;
    let place = format!(
        "sink-0: the database 'postgres' at {silent}, user 'postgres' cannot be reached: error communicating with database: "
    );
    for (query, text) in [
        ("connectTimeout=1", place + "no answer within 1s, the connectTimeout of connection.url. It is tried again; see to the server, or correct host and port in connection.url"),
        ("loginTimeout=0.5&connectTimeout=0", "sink-0: no host of connection.url lets user 'postgres' in within 500ms, its loginTimeout. It is tried again; see to the servers".to_owned()),
    ] {
        let url = format!("jdbc:postgresql://{silent}/postgres?{query}");
        let settings = [("connection.url", url.as_str())];
        let started = Case::start_on(case.database, &settings, false);
        case = tokio::time::timeout(DEADLINE, started).await???;
        let refused = refused_in_time(&mut case, 1).await?;
        assert_eq!(refused, (ErrorKind::Retriable, text));
    }
    Ok(())
}

#[tokio::test]
async fn an_answer_is_waited_for_as_long_as_the_url_says() -> Result<()> {
    let database = database().await?;
    let table = "CREATE TABLE a_orders (id bigint PRIMARY KEY, note text)";
    database.exec(table).await?;
    let url = database.jdbc_url() + "?socketTimeout=1";
    let mut case = Case::start_on(database, &[("connection.url", &url)], true).await??;
    let mut connection = case.database.connect().await?;
    // Through arrays and through COPY.
    for rows in [1, 1000] {
        let mut lock = sqlx::Connection::begin(&mut connection).await?;
        sqlx::raw_sql("LOCK TABLE a_orders")
            .execute(&mut *lock)
            .await?;
        let (kind, text) = refused_in_time(&mut case, rows).await?;
        assert_eq!(kind, ErrorKind::Retriable);
        assert!(
            text.ends_with("no answer within 1s, the socketTimeout of connection.url"),
            "{text}"
        );
        lock.rollback().await?;
        let batch: Vec<_> = (0..rows).map(|id| case.row(id, "b")).collect();
        case.task.put(&batch).await?;
        let count = "SELECT count(*)::text, min(note) FROM a_orders";
        case.check(count, &[&[&rows.to_string(), "b"]]).await?;
    }
    Ok(())
}

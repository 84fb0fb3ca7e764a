//! JDBC URLs of PostgreSQL.
//!
//! Source: pgjdbc `org.postgresql.Driver.parseURL`, `PGProperty`.

use percent_encoding::percent_decode_str;
use sqlx::postgres::PgConnectOptions;
use tidegate_api::ConnectError;
use tidegate_api::config::Password;
use tracing::warn;

use crate::tls::Tls;

const SCHEME: &str = "jdbc:postgresql:";

/// What a URL says of the connection.
#[derive(Debug)]
pub(crate) struct Target {
    /// Options of each host, in order, but for those of TLS.
    pub(crate) hosts: Vec<PgConnectOptions>,
    pub(crate) tls: Tls,
}

/// # Errors
/// `Config` if it is no URL of this dialect. The text never holds the password.
pub(crate) fn parse(
    url: &str,
    user: Option<&str>,
    password: Option<&str>,
) -> Result<Target, ConnectError> {
    let Some(rest) = url.strip_prefix(SCHEME) else {
        return Err(other_scheme(url));
    };
    // As `URLDecoder`: a plus is a blank.
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        percent_decode_str(&text).decode_utf8_lossy().into_owned()
    };
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let names = query.split('&').map(|part| part.split('=').next());
    if place.contains('@') || names.flatten().any(|name| name.contains('@')) {
        // Nothing of it is repeated: with '@' comes a password, and where that ends is not known.
        return Err(ConnectError::config(
            "connection.url: user and password cannot stand before the host, as in URLs of libpq. Give them as connection.username (Confluent's sink: connection.user) and connection.password, or as the URL's parameters user and password; an '@' of the database's name is written %40",
        ));
    }
    let (hosts, database) = match place.strip_prefix("//") {
        Some(place) => place.split_once('/').unwrap_or((place, "")),
        None => ("", place.trim_start_matches('/')),
    };
    let mut options = PgConnectOptions::new_without_pgpass().application_name("tidegate");
    let (mut user, mut password) = (user.map(str::to_owned), password.map(str::to_owned));
    let mut tls = Tls::default();
    let (mut settings, mut search_path) = (Vec::new(), None);
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let value = decode(value);
        match name {
            "user" => user = Some(value),
            "password" => password = Some(value),
            "currentSchema" => search_path = Some(value),
            "ApplicationName" => options = options.application_name(&value),
            "options" => settings.extend(server_settings(&value)?),
            "sslmode" => tls.sslmode = Some(value),
            "ssl" => tls.ssl = Some(value),
            "sslfactory" => tls.sslfactory = Some(value),
            "sslrootcert" => tls.sslrootcert = Some(value),
            "sslcert" => tls.sslcert = Some(value),
            "sslkey" => tls.sslkey = Some(value),
            "sslpassword" => tls.sslpassword = Some(Password::new(value)),
            // Batches are always rewritten here, and the rest tunes a driver that is not there.
            "reWriteBatchedInserts"
            | "stringtype"
            | "tcpKeepAlive"
            | "prepareThreshold"
            | "preparedStatementCacheQueries"
            | "binaryTransfer"
            | "connectTimeout"
            | "socketTimeout"
            | "loginTimeout" => {}
            // Its name is not shown: it may be the rest of a password.
            _ if !part.contains('=') => warn!(
                "connection.url: a parameter without '=' is ignored; '&' within a value is written %26"
            ),
            other => {
                warn!("connection.url: parameter '{other}' has no meaning here and is ignored");
            }
        }
    }
    tls.mode()?;
    if tls.sslcert.is_some() && tls.sslkey.is_none() {
        warn!("connection.url: sslcert has no effect without sslkey");
    }
    settings.extend(search_path.map(|path| ("search_path".to_owned(), path)));
    if !settings.is_empty() {
        options = options.options(settings);
    }
    let user = user.unwrap_or_else(|| "postgres".to_owned());
    options = options.username(&user);
    if let Some(password) = password.filter(|password| !password.is_empty()) {
        options = options.password(&password);
    }
    let database = decode(database);
    options = options.database(if database.is_empty() {
        &user
    } else {
        &database
    });
    let hosts = if hosts.is_empty() { "localhost" } else { hosts };
    let hosts: Result<_, ConnectError> = hosts
        .split(',')
        .map(|host| {
            let (name, port) = match host.rsplit_once(':') {
                Some((name, port)) if !port.contains(']') => (name, port),
                _ => (host, "5432"),
            };
            let port = port.parse().map_err(|_| {
                ConnectError::config(
                    "connection.url: a port is a number from 1 to 65535, after the host and a colon: jdbc:postgresql://host:5432/database",
                )
            })?;
            let name = name.trim_start_matches('[').trim_end_matches(']');
            Ok(options
                .clone()
                .host(if name.is_empty() { "localhost" } else { name })
                .port(port))
        })
        .collect();
    Ok(Target { hosts: hosts?, tls })
}

/// Settings of the session as the server's command line has them: `-c name=value` or `--name=value`, a blank within a
/// value behind a backslash.
fn server_settings(text: &str) -> Result<Vec<(String, String)>, ConnectError> {
    let mut words = vec![String::new()];
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => words
                .last_mut()
                .expect("never empty")
                .extend(characters.next()),
            blank if blank.is_whitespace() => words.push(String::new()),
            other => words.last_mut().expect("never empty").push(other),
        }
    }
    let mut words = words.into_iter().filter(|word| !word.is_empty());
    let mut settings = Vec::new();
    while let Some(word) = words.next() {
        let setting = match word.as_str() {
            "-c" => words.next(),
            word => word
                .strip_prefix("--")
                .or_else(|| word.strip_prefix("-c"))
                .map(str::to_owned),
        };
        let setting = setting.as_deref().and_then(|word| word.split_once('='));
        let (name, value) = setting.ok_or_else(|| {
            ConnectError::config(
                "connection.url: options takes settings as '-c name=value' or '--name=value', blanks and signs encoded: options=-c%20work_mem%3D64MB",
            )
        })?;
        settings.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(settings)
}

/// Names the dialect, if it is one: in what is no JDBC URL anything may be a password.
fn other_scheme(url: &str) -> ConnectError {
    let dialect = url
        .strip_prefix("jdbc:")
        .and_then(|rest| rest.split_once(':'))
        .map(|(dialect, _)| dialect)
        .filter(|dialect| dialect.chars().all(|c| c.is_ascii_alphanumeric()));
    let named = dialect.map_or_else(String::new, |dialect| format!(" 'jdbc:{dialect}:…'"));
    ConnectError::config(format!(
        "connection.url{named} names no database that this version can write to; it must begin with {SCHEME}//"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_as_the_driver_reads_them() {
        fn check(url: &str, host: &str, port: u16, database: &str, user: &str) {
            let options = &parse(url, Some("u"), Some("p")).expect(url).hosts[0];
            assert_eq!(
                (options.get_host(), options.get_port()),
                (host, port),
                "{url}"
            );
            assert_eq!(
                (options.get_database(), options.get_username()),
                (Some(database), user),
                "{url}"
            );
        }
        check("jdbc:postgresql://h:5433/db", "h", 5433, "db", "u");
        check(
            "jdbc:postgresql://h/db?user=x%40y&currentSchema=s",
            "h",
            5432,
            "db",
            "x@y",
        );
        check("jdbc:postgresql://a:1,b:2/db", "a", 1, "db", "u");
        check("jdbc:postgresql:db", "localhost", 5432, "db", "u");
        check("jdbc:postgresql://[::1]:9/", "::1", 9, "u", "u");
    }

    #[test]
    fn settings_of_the_session_are_the_urls() {
        let options = |query: &str| {
            let url = format!("jdbc:postgresql://h/db?{query}");
            let target = parse(&url, None, None);
            target.map(|target| target.hosts[0].get_options().unwrap_or_default().to_owned())
        };
        let check = |query: &str, expected: &str| {
            assert_eq!(options(query).expect(query), expected, "{query}");
        };
        check(
            "currentSchema=a,b&options=-c%20work_mem%3D64MB+--lock-timeout%3D5s",
            "-c work_mem=64MB -c lock_timeout=5s -c search_path=a,b",
        );
        check(
            "options=-c+application_name=a%5C+b",
            "-c application_name=a\\ b",
        );
        check("currentSchema=a,+b", "-c search_path=a,\\ b");
        assert!(options("options=work_mem").is_err());
        let url = "jdbc:postgresql://h/a+b?user=x+y&ssl&sslpassword=s3cret";
        let target = parse(url, None, None).expect("valid");
        assert_eq!(target.hosts[0].get_username(), "x y");
        assert_eq!(target.hosts[0].get_database(), Some("a b"));
        assert_eq!(target.tls.ssl.as_deref(), Some(""));
        assert!(!format!("{:?}", target.tls).contains("s3cret"));
    }

    #[test]
    fn what_is_no_url_is_refused_without_showing_it() {
        fn refused(url: &str) -> String {
            let error = parse(url, None, None).expect_err(url);
            let text = error.text().to_owned();
            for part in ["s3cret", "cdc", "s3", "cret"] {
                assert!(!text.contains(part), "{url}: {text}");
            }
            text
        }
        assert!(refused("jdbc:oracle:thin:user/s3cret@h").contains("'jdbc:oracle:…'"));
        for url in [
            "postgresql://cdc:s3cret@db/app",
            "cdc:s3cret@db/app",
            "jdbc:s3cret@db/app",
        ] {
            assert!(refused(url).contains("must begin with"));
        }
        for url in [
            "jdbc:postgresql://cdc:s3cret@db/app",
            "jdbc:postgresql://db:1,cdc:s3cret@db2:2/app",
            "jdbc:postgresql://cdc:s3/cret@db/app",
            "jdbc:postgresql://cdc:1/cret@db/app",
            "jdbc:postgresql://cdc:1?cret@db/app",
            "jdbc:postgresql://cdc:1?cret@db/app?user=u",
            "jdbc:postgresql:cdc:s3cret@db/app",
        ] {
            assert!(refused(url).contains("connection.username"), "{url}");
        }
        for url in [
            "jdbc:postgresql://h:s3cret/db",
            "jdbc:postgresql://h:s3/cret",
        ] {
            assert!(refused(url).contains("a port is a number"), "{url}");
        }
        assert!(parse("jdbc:postgresql://h/db?sslmode=x", None, None).is_err());
        let with_at = "jdbc:postgresql://h/a%40b?user=u@x&password=s3@cret";
        let options = &parse(with_at, None, None).expect("valid").hosts[0];
        assert_eq!(options.get_database(), Some("a@b"));
        assert_eq!(options.get_username(), "u@x");
    }
}

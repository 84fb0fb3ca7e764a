//! JDBC URLs of PostgreSQL.
//!
//! Source: pgjdbc `org.postgresql.Driver.parseURL`, `PGProperty`.

use std::time::Duration;

use percent_encoding::percent_decode_str;
use sqlx::postgres::PgConnectOptions;
use tidegate_api::ConnectError;
use tidegate_api::config::Password;

use crate::tls::Tls;

const SCHEME: &str = "jdbc:postgresql:";

/// What a URL says of the connection.
#[derive(Debug)]
pub(crate) struct Target {
    /// Options of each host, in order, but for those of TLS.
    pub(crate) hosts: Vec<PgConnectOptions>,
    pub(crate) tls: Tls,
    pub(crate) limits: Limits,
    pub(crate) server_type: ServerType,
    /// `loadBalanceHosts`: hosts are tried in any order.
    pub(crate) shuffles: bool,
    /// Whether statements are prepared under names: not with `prepareThreshold=0`.
    pub(crate) named_statements: bool,
    /// `stringtype=unspecified`: texts are read by the type of their column.
    pub(crate) untyped_texts: bool,
    /// What of it has no effect, for the log.
    pub(crate) notices: Vec<String>,
}

/// `targetServerType`: which of several hosts is connected to.
///
/// Source: pgjdbc `HostRequirement`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServerType {
    Any,
    Primary,
    Secondary,
    PreferPrimary,
    PreferSecondary,
}

impl ServerType {
    fn parse(text: &str) -> Result<Self, ConnectError> {
        Ok(match text {
            "any" => Self::Any,
            "primary" | "master" => Self::Primary,
            "secondary" | "slave" => Self::Secondary,
            "preferPrimary" => Self::PreferPrimary,
            "preferSecondary" | "preferSlave" => Self::PreferSecondary,
            _ => {
                return Err(ConnectError::config(
                    "connection.url: targetServerType is one of any, primary, secondary, preferPrimary, preferSecondary",
                ));
            }
        })
    }
    /// Whether a server is what is looked for. Of any, a sink prefers one that takes writes.
    pub(crate) fn wants(self, primary: bool) -> bool {
        primary != matches!(self, Self::Secondary | Self::PreferSecondary)
    }
    /// Whether no other server will do.
    pub(crate) fn is_strict(self) -> bool {
        matches!(self, Self::Primary | Self::Secondary)
    }
}

/// How long the server is waited for; `None` is for ever.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// `connectTimeout`, of each host.
    pub(crate) connect: Option<Duration>,
    /// `loginTimeout`, of all hosts together.
    pub(crate) login: Option<Duration>,
    /// `socketTimeout`, of each answer.
    pub(crate) answer: Option<Duration>,
}

/// `properties` are further parameters; those of the URL count more.
///
/// # Errors
/// `Config` if it is no URL of this dialect. The text never holds the password.
pub(crate) fn parse(
    url: &str,
    user: Option<&str>,
    password: Option<&str>,
    properties: &[(String, String)],
) -> Result<Target, ConnectError> {
    let Some(rest) = url.strip_prefix(SCHEME) else {
        return Err(other_scheme(url));
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
    let mut parameters = Parameters::new(user, password);
    for (name, value) in properties {
        parameters.take(name, value.clone())?;
    }
    for part in query.split('&').filter(|part| !part.is_empty()) {
        match part.split_once('=') {
            Some((name, value)) => parameters.take(name, decode(value))?,
            None if part == "ssl" => parameters.tls.ssl = Some(String::new()),
            // Not shown: it may be the rest of a password.
            None => parameters.notices.push(
                "a parameter without '=' is ignored; '&' within a value is written %26".to_owned(),
            ),
        }
    }
    parameters.tls.mode()?;
    let user = parameters.user.as_deref().unwrap_or("postgres").to_owned();
    let mut options = parameters.options(&user);
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
            let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(|| {
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
    Ok(Target {
        hosts: hosts?,
        tls: parameters.tls,
        limits: parameters.limits,
        server_type: parameters.server_type,
        shuffles: parameters.shuffles,
        named_statements: parameters.named_statements,
        untyped_texts: parameters.untyped_texts,
        notices: parameters.notices,
    })
}

/// As `URLDecoder`: a plus is a blank.
fn decode(text: &str) -> String {
    let text = text.replace('+', " ");
    percent_decode_str(&text).decode_utf8_lossy().into_owned()
}

/// What stands behind the question mark; the last of a name counts.
struct Parameters {
    user: Option<String>,
    password: Option<String>,
    application_name: String,
    search_path: Option<String>,
    settings: Vec<(String, String)>,
    tls: Tls,
    limits: Limits,
    server_type: ServerType,
    shuffles: bool,
    named_statements: bool,
    untyped_texts: bool,
    notices: Vec<String>,
}

impl Parameters {
    fn new(user: Option<&str>, password: Option<&str>) -> Self {
        Self {
            user: user.map(str::to_owned),
            password: password.map(str::to_owned),
            application_name: "tidegate".to_owned(),
            search_path: None,
            settings: Vec::new(),
            tls: Tls::default(),
            limits: Limits {
                connect: Some(Duration::from_secs(10)),
                login: None,
                answer: None,
            },
            server_type: ServerType::Any,
            shuffles: false,
            named_statements: true,
            untyped_texts: false,
            notices: Vec::new(),
        }
    }

    fn take(&mut self, name: &str, value: String) -> Result<(), ConnectError> {
        match name {
            "user" => self.user = Some(value),
            "password" => self.password = Some(value),
            "currentSchema" => self.search_path = Some(value),
            "ApplicationName" => self.application_name = value,
            "options" => self.settings.extend(server_settings(&value)?),
            "sslmode" => self.tls.sslmode = Some(value),
            "ssl" => self.tls.ssl = Some(value),
            "sslfactory" => self.tls.sslfactory = Some(value),
            "sslrootcert" => self.tls.sslrootcert = Some(value),
            "sslcert" => self.tls.sslcert = Some(value),
            "sslkey" => self.tls.sslkey = Some(value),
            "sslpassword" => self.tls.sslpassword = Some(Password::new(value)),
            "connectTimeout" => self.limits.connect = seconds(name, &value)?,
            "loginTimeout" => self.limits.login = seconds(name, &value)?,
            "socketTimeout" => self.limits.answer = seconds(name, &value)?,
            "tcpKeepAlive" if value.eq_ignore_ascii_case("true") => self.notices.push(
                "tcpKeepAlive has no effect here; socketTimeout limits how long an answer is waited for"
                    .to_owned(),
            ),
            "targetServerType" => self.server_type = ServerType::parse(&value)?,
            "stringtype" => self.untyped_texts = value.eq_ignore_ascii_case("unspecified"),
            "loadBalanceHosts" => self.shuffles = value.eq_ignore_ascii_case("true"),
            "prepareThreshold" => {
                let threshold: i32 = value.trim().parse().map_err(|_| {
                    ConnectError::config(
                        "connection.url: prepareThreshold is a number, 0 for statements without names, as poolers of transactions need them",
                    )
                })?;
                self.named_statements &= threshold != 0;
            }
            // The modes that are not named keep no statement prepared.
            "preferQueryMode" => {
                self.named_statements &= !matches!(value.as_str(), "simple" | "extended");
            }
            // Batches are always rewritten here; hosts are looked at anew whenever one is connected to; and the rest tunes a
            // driver that is not there.
            "reWriteBatchedInserts"
            | "tcpKeepAlive"
            | "hostRecheckSeconds"
            | "preparedStatementCacheQueries"
            | "preparedStatementCacheSizeMiB"
            | "binaryTransfer" => {}
            other => self.notices.push(format!(
                "parameter '{other}' has no meaning here and is ignored"
            )),
        }
        Ok(())
    }

    fn options(&mut self, user: &str) -> PgConnectOptions {
        if self.tls.sslcert.is_some() && self.tls.sslkey.is_none() {
            let notice = "sslcert has no effect without sslkey";
            self.notices.push(notice.to_owned());
        }
        let mut options = PgConnectOptions::new_without_pgpass()
            .application_name(&self.application_name)
            .username(user);
        if let Some(password) = self
            .password
            .as_deref()
            .filter(|password| !password.is_empty())
        {
            options = options.password(password);
        }
        // The server lets the last setting of a name count.
        let path = self.search_path.take();
        self.settings
            .extend(path.map(|path| ("search_path".to_owned(), path)));
        if !self.settings.is_empty() {
            options = options.options(self.settings.drain(..));
        }
        options
    }
}

/// A number of seconds, 0 for no limit.
fn seconds(name: &str, value: &str) -> Result<Option<Duration>, ConnectError> {
    let duration = value
        .trim()
        .parse()
        .ok()
        .and_then(|seconds: f64| Duration::try_from_secs_f64(seconds).ok());
    match duration {
        Some(duration) => Ok(Some(duration).filter(|duration| !duration.is_zero())),
        None => Err(ConnectError::config(format!(
            "connection.url: {name} is a number of seconds, 0 for no limit"
        ))),
    }
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
            let options = &parse(url, Some("u"), Some("p"), &[]).expect(url).hosts[0];
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
            let target = parse(&url, None, None, &[]);
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
        let target = parse(url, None, None, &[]).expect("valid");
        assert_eq!(target.hosts[0].get_username(), "x y");
        assert_eq!(target.hosts[0].get_database(), Some("a b"));
        assert_eq!(target.tls.ssl.as_deref(), Some(""));
        assert!(!format!("{:?}", target.tls).contains("s3cret"));
    }

    #[test]
    fn time_limits_are_seconds_and_what_has_no_effect_is_named() {
        let limits = |query: &str| {
            let url = format!("jdbc:postgresql://h/db?{query}");
            let target = parse(&url, None, None, &[])?;
            let Limits {
                connect,
                login,
                answer,
            } = target.limits;
            Ok::<_, ConnectError>([connect, login, answer])
        };
        let of = |seconds| Some(Duration::from_millis(seconds));
        assert_eq!(limits("").expect("valid"), [of(10_000), None, None]);
        assert_eq!(
            limits("connectTimeout=0&loginTimeout=1.5&socketTimeout=30").expect("valid"),
            [None, of(1500), of(30_000)]
        );
        let error = limits("socketTimeout=1m").expect_err("no number");
        assert!(error.text().contains("socketTimeout is a number"));
        let url =
            "jdbc:postgresql://h/db?tcpKeepAlive=true&tcpKeepAlive=false&x=1&s3cret&sslcert=c";
        let notices = parse(url, None, None, &[]).expect("valid").notices;
        let [keep_alive, unknown, nameless, certificate] = notices.as_slice() else {
            panic!("{notices:?}");
        };
        assert!(keep_alive.contains("tcpKeepAlive") && unknown.contains("'x'"));
        assert!(nameless.contains("without '='") && !nameless.contains("s3cret"));
        assert!(certificate.contains("sslcert"));
    }

    #[test]
    fn what_is_no_url_is_refused_without_showing_it() {
        fn refused(url: &str) -> String {
            let error = parse(url, None, None, &[]).expect_err(url);
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
            "jdbc:postgresql://h:0/db",
        ] {
            assert!(refused(url).contains("a port is a number"), "{url}");
        }
        assert!(parse("jdbc:postgresql://h/db?sslmode=x", None, None, &[]).is_err());
        let with_at = "jdbc:postgresql://h/a%40b?user=u@x&password=s3@cret";
        let options = &parse(with_at, None, None, &[]).expect("valid").hosts[0];
        assert_eq!(options.get_database(), Some("a@b"));
        assert_eq!(options.get_username(), "u@x");
    }
}

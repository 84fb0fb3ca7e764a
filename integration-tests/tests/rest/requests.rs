//! Requests to every resource of Connect's REST API, made from what they consist of: resource, method, media types, body,
//! name, state of the connector. The same requests come out in the same order every time.

use crate::wire::Request;

/// A part of the requests; the connectors are as [`crate::world`] has them before each.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    pub(crate) name: &'static str,
    pub(crate) requests: Vec<Request>,
}

/// All of them.
pub(crate) fn all() -> Vec<Section> {
    let section = |name, requests| Section { name, requests };
    vec![
        section("methods", methods()),
        section("media types", media_types()),
        section("bodies", bodies()),
        section("names", names()),
        section("queries", queries()),
        section("offsets", offsets()),
        section("loggers", loggers()),
        section("heads", heads()),
        section("states", states()),
    ]
}

/// Every method that somebody may send, one that nobody knows, and one in small letters.
const METHODS: [&str; 10] = [
    "GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "NONSENSE", "get",
];

/// Resources without a connector's name, and paths that are none.
const PATHS: [&str; 20] = [
    "/",
    "/health",
    "/connectors",
    "/connector-plugins",
    "/connector-plugins/FileStreamSource",
    "/connector-plugins/FileStreamSource/config",
    "/connector-plugins/FileStreamSource/config/validate",
    "/connector-plugins/Nope/config",
    "/admin/loggers/root",
    "/admin/loggers/no.such.logger",
    "/admin",
    "/nope",
    "/connectors/",
    "//connectors",
    "/Connectors",
    "/connectors//status",
    "/health/nope",
    "/favicon.ico",
    "/application.wadl",
    "/metrics",
];

/// What a connector has, behind its name.
const PARTS: [&str; 20] = [
    "",
    "/",
    "/config",
    "/status",
    "/restart",
    "/pause",
    "/resume",
    "/stop",
    "/tasks",
    "/tasks-config",
    "/tasks/0",
    "/tasks/0/status",
    "/tasks/0/restart",
    "/tasks/7/status",
    "/tasks/7/restart",
    "/topics",
    "/topics/reset",
    "/offsets",
    "/fence",
    "/nope",
];

/// Connectors in each of their states, and one that is not there.
const CONNECTORS: [&str; 8] = [
    "running",
    "paused",
    "stopped",
    "failed",
    "broken",
    "sink",
    "sinkstopped",
    "absent",
];

fn methods() -> Vec<Request> {
    let mut all = Vec::new();
    for path in PATHS {
        all.extend(METHODS.map(|method| Request::new(method, path)));
    }
    all.extend(connector_methods(&CONNECTORS));
    for task in [
        "-1",
        "x",
        "1.5",
        "00",
        "2147483648",
        "99999999999999999999",
        "%30",
        "",
    ] {
        for (method, what) in [("GET", "status"), ("POST", "restart")] {
            for name in ["running", "absent"] {
                let path = format!("/connectors/{name}/tasks/{task}/{what}");
                all.push(Request::new(method, path));
            }
        }
    }
    all
}

fn connector_methods(connectors: &[&str]) -> Vec<Request> {
    let mut all = Vec::new();
    for name in connectors {
        for part in PARTS {
            let path = format!("/connectors/{name}{part}");
            all.extend(METHODS.map(|method| Request::new(method, path.as_str())));
        }
    }
    all
}

/// Requests whose bodies are right, and which change nothing all the same.
fn harmless() -> Vec<(Request, &'static str)> {
    let validated = r#"{"connector.class":"FileStreamSource","name":"v","topic":"t"}"#;
    let validate = "/connector-plugins/FileStreamSource/config/validate";
    let create =
        r#"{"name":"running","config":{"connector.class":"FileStreamSource","topic":"t"}}"#;
    let other = r#"{"connector.class":"FileStreamSource","topic":"t","name":"other"}"#;
    let offsets = r#"{"offsets":[{"partition":{"filename":"f"},"offset":{"position":1}}]}"#;
    vec![
        (Request::new("POST", "/connectors"), create),
        (Request::new("PUT", "/connectors/running/config"), other),
        (
            Request::new("PATCH", "/connectors/running/config"),
            r#"{"tasks.max":"x"}"#,
        ),
        (
            Request::new("PATCH", "/connectors/running/offsets"),
            offsets,
        ),
        (Request::new("PUT", validate), validated),
        (
            Request::new("PUT", "/admin/loggers/x.y"),
            r#"{"level":"nonsense"}"#,
        ),
        (Request::new("POST", "/connectors/running/tasks"), "[]"),
    ]
}

const CONTENT_TYPES: [&str; 24] = [
    "application/json",
    "application/json;charset=utf-8",
    "application/json; charset=UTF-8",
    "application/json; charset=\"utf-8\"",
    "application/json; charset=ISO-8859-1",
    "application/json; charset=UTF-16",
    "application/json; charset=nope",
    "application/json;",
    "application/json;v=1",
    "APPLICATION/JSON",
    "application/jsonx",
    "application/json, text/plain",
    "application/vnd.api+json",
    "application/*",
    "application/*+json",
    "*/*",
    "text/json",
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/xml",
    "",
    "json",
    "application/",
];

const ACCEPTS: [&str; 30] = [
    "",
    "application/json",
    "application/json;charset=utf-8",
    "application/json; charset=utf-16",
    "application/json;q=0.1,text/html",
    "application/json;q=0",
    "application/json;q=0, */*",
    "application/json;q=2",
    "application/json;q=x",
    "application/json;q=",
    "application/json;v=1",
    "APPLICATION/JSON",
    "application/*",
    "application/*;q=0.5,text/html",
    "application/*+json",
    "application/vnd.api+json",
    "application/xml",
    "*/*",
    "*/*;q=0",
    "text/html,*/*;q=0.1",
    "text/plain, application/json",
    "text/plain",
    "text/html",
    "text/*",
    "*",
    "json",
    "application/",
    "/",
    ";",
    ",",
];

fn media_types() -> Vec<Request> {
    let mut all = Vec::new();
    for (request, body) in harmless() {
        all.push(request.clone().body(body));
        for content_type in CONTENT_TYPES {
            let typed = request.clone().header("Content-Type", content_type);
            all.push(typed.clone().body(body));
            all.push(typed);
        }
        for accept in ACCEPTS {
            let request = request.clone().header("Accept", accept);
            all.push(request.clone().json(body));
        }
        // Which of two refusals comes first.
        for content_type in ["", "text/plain", "application/json; charset=nope"] {
            for accept in ["", "text/plain", "application/json;q=0", "json"] {
                let request = request.clone().header("Accept", accept);
                all.push(request.header("Content-Type", content_type).body("{"));
            }
        }
    }
    let read = [
        "/",
        "/health",
        "/connectors",
        "/connectors?expand=info",
        "/connectors/running",
        "/connectors/running/config",
        "/connectors/running/status",
        "/connectors/running/tasks",
        "/connectors/running/tasks/0/status",
        "/connectors/running/topics",
        "/connectors/running/offsets",
        "/connectors/absent",
        "/connector-plugins/Nope/config",
        "/admin/loggers/root",
        "/nope",
    ];
    for path in read {
        let request = Request::new("GET", path);
        all.extend(ACCEPTS.map(|accept| request.clone().header("Accept", accept)));
    }
    let commands = [
        ("PUT", "/pause"),
        ("PUT", "/resume"),
        ("PUT", "/stop"),
        ("POST", "/restart"),
        ("POST", "/tasks/0/restart"),
        ("PUT", "/topics/reset"),
        ("DELETE", "/offsets"),
        ("DELETE", ""),
        ("PUT", "/fence"),
    ];
    for (method, part) in commands {
        let request = Request::new(method, format!("/connectors/absent{part}"));
        all.extend(ACCEPTS.map(|accept| request.clone().header("Accept", accept)));
        for content_type in CONTENT_TYPES {
            let request = request.clone().header("Content-Type", content_type);
            all.push(request.body("{}"));
        }
    }
    all
}

/// JSON, and what is none, in every shape and encoding.
fn shapes() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = [
        "",
        " ",
        "\r\n\t ",
        "null",
        "true",
        "false",
        "7",
        "-0",
        "1.5",
        "1e3",
        "\"\"",
        "\"text\"",
        "[]",
        "[1]",
        "[{}]",
        "[[]]",
        "{}",
        " {} ",
        "\n{}\n",
        "{",
        "}",
        "[",
        "]",
        "{]",
        "{\"",
        "{\"a",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{,}",
        "{a:1}",
        "{'a':1}",
        "{\"a\" 1}",
        "{\"a\":}",
        "{1:2}",
        "{null:1}",
        "{}{}",
        "{} {}",
        "{}x",
        "{},",
        "{}]",
        "//c\n{}",
        "/*c*/{}",
        "# c\n{}",
        "{\"a\":01}",
        "{\"a\":+1}",
        "{\"a\":.5}",
        "{\"a\":1.}",
        "{\"a\":0x1}",
        "{\"a\":NaN}",
        "{\"a\":Infinity}",
        "{\"a\":-}",
        "{\"a\":1e}",
        "{\"a\":tru}",
        "{\"a\":True}",
        "{\"a\":nul}",
        "{\"a\":undefined}",
        "{\"a\":\"x\ny\"}",
        "{\"a\":\"\t\"}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12\"}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\\ud83d\\ude00\"}",
        "{\"a\":\"\\u0000\"}",
        "{\"a\":\"unclosed}",
        "{\"\":1}",
        "{\"a\":1,\"a\":2}",
        "{\"a\":{\"b\":1},\"a\":1}",
        "{\"a\":[1,2,]}",
        "{\"a\":null}",
        "{\"a\":1}",
        "{\"a\":1.50}",
        "{\"a\":1E5}",
        "{\"a\":-0.0}",
        "{\"a\":1e999}",
        "{\"a\":true}",
        "{\"a\":[]}",
        "{\"a\":{}}",
        "{\"a\":[\"b\"]}",
        "{\"a\":{\"b\":\"c\"}}",
        "{\"a\":123456789012345678901234567890}",
        "name=x&topic=y",
        "<a/>",
        "---\na: 1",
        "null null",
        "nul",
        "truefalse",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into();
    all.push(b"{\"a\":\"\xff\"}".to_vec());
    all.push(b"{\"a\":\"h\xe9\"}".to_vec());
    all.push(b"{\"a\":\"\xed\xa0\x80\"}".to_vec());
    all.push(b"{\"a\":\"\xc0\xaf\"}".to_vec());
    all.push(b"\xff\xfe".to_vec());
    all.push(b"\xef\xbb\xbf".to_vec());
    all.push(b"\xef\xbb\xbf{}".to_vec());
    all.push(b"\0{}".to_vec());
    all.push(b"{\"a\":\"\0\"}".to_vec());
    all.push(b"{}\0".to_vec());
    all.push([vec![b'['; 900], vec![b']'; 900]].concat());
    all.push([b"{\"a\":".repeat(1100), b"1".to_vec(), b"}".repeat(1100)].concat());
    all
}

/// A text in the encodings that clients send without saying so.
fn encodings(text: &str) -> Vec<Vec<u8>> {
    let wide = |order: fn(u16) -> [u8; 2], mark: &str| -> Vec<u8> {
        format!("{mark}{text}")
            .encode_utf16()
            .flat_map(order)
            .collect()
    };
    let wider = |order: fn(u32) -> [u8; 4], mark: &str| -> Vec<u8> {
        let chars = mark.chars().chain(text.chars());
        chars.flat_map(|char| order(u32::from(char))).collect()
    };
    let mark = "\u{feff}";
    vec![
        wide(u16::to_le_bytes, ""),
        wide(u16::to_be_bytes, ""),
        wide(u16::to_le_bytes, mark),
        wide(u16::to_be_bytes, mark),
        wider(u32::to_le_bytes, ""),
        wider(u32::to_be_bytes, ""),
        wider(u32::to_le_bytes, mark),
        wider(u32::to_be_bytes, mark),
        format!("{mark}{text}").into_bytes(),
        [text.as_bytes(), b"\0"].concat(),
        // Cut in the middle of a character.
        wide(u16::to_le_bytes, "")[1..].to_vec(),
    ]
}

/// Bodies of `POST /connectors`; none makes a connector.
fn creations() -> Vec<String> {
    let config = r#"{"connector.class":"FileStreamSource","topic":"t"}"#;
    let mut all = Vec::new();
    // The name of a connector that is there: everything before that must be right.
    let values = [
        "null",
        "7",
        "1.50",
        "1e3",
        "true",
        "false",
        "\"\"",
        "\" \"",
        "\"x\"",
        "[]",
        "{}",
        "[\"x\"]",
        "{\"a\":1}",
    ];
    for value in values {
        all.push(format!(
            r#"{{"name":{value},"config":{{"connector.class":"Nope"}}}}"#
        ));
        all.push(format!(r#"{{"name":"running","config":{value}}}"#));
        all.push(format!(
            r#"{{"name":"running","config":{config},"initial_state":{value}}}"#
        ));
        all.push(format!(
            r#"{{"name":"running","config":{config},"other":{value}}}"#
        ));
        all.push(format!(
            r#"{{"name":"running","config":{{"connector.class":"FileStreamSource","topic":"t","other":{value}}}}}"#
        ));
        all.push(format!(
            r#"{{"name":"running","config":{{"connector.class":{value},"topic":"t"}}}}"#
        ));
        all.push(format!(
            r#"{{"name":"running","config":{{"connector.class":"FileStreamSource","topic":"t","name":{value}}}}}"#
        ));
    }
    for state in [
        "RUNNING",
        "running",
        "Paused",
        "STOPPED",
        "stopped ",
        "STARTED",
        "DESTROYED",
    ] {
        all.push(format!(
            r#"{{"name":"running","config":{config},"initial_state":"{state}"}}"#
        ));
    }
    for text in [
        r#"{"name":"running"}"#,
        r#"{"config":{"connector.class":"FileStreamSource","topic":"t"}}"#,
        r#"{"config":{"connector.class":"FileStreamSource","topic":"t","name":"running"}}"#,
        r#"{"initial_state":"RUNNING"}"#,
        r#"{"Name":"running","config":{"connector.class":"FileStreamSource","topic":"t"}}"#,
        r#"{"name":"running","Config":{}}"#,
        r#"{"name":"running","config":{}}"#,
        r#"{"name":"other","name":"running","config":{"connector.class":"FileStreamSource","topic":"t"}}"#,
        r#"{"name":"running","config":[],"config":{"connector.class":"FileStreamSource","topic":"t"}}"#,
        r#"{"name":"running","config":{"connector.class":"Nope"},"config":{"connector.class":"FileStreamSource","topic":"t"}}"#,
        r#"{"name":"running","config":{"connector.class":"Nope","connector.class":"FileStreamSource","topic":"t"}}"#,
        r#"{"name":"running","initialState":"STOPPED","config":{"connector.class":"FileStreamSource","topic":"t"}}"#,
        r#"{"name":"running","tasks":[],"type":"source","config":{"connector.class":"FileStreamSource","topic":"t"}}"#,
        r#"{"connector.class":"FileStreamSource","topic":"t","name":"running"}"#,
        r#"{"name":"running","config":{"connector.class":"FileStreamSource"}}"#,
        r#"{"name":"running","config":{"topic":"t"}}"#,
        r#"{"name":"running","config":{"connector.class":"file","topic":"t"}}"#,
        r#"{"name":"running","config":{"connector.class":"FileStreamSourceConnector","topic":"t"}}"#,
        r#"{"name":"running","config":{"connector.class":"org.apache.kafka.connect.file.FileStreamSourceConnector","topic":"t"}}"#,
        r#"{"name":"running","config":{"connector.class":"FileStreamSource","topic":"t","tasks.max":"-1"}}"#,
        r#"{"name":"running","config":{"connector.class":"FileStreamSource","topic":"t","name":"Running"}}"#,
        r#"{"name":" running ","config":{"connector.class":"FileStreamSource","topic":"t"}}"#,
        r#"{"name":"running","config":{"connector.class":"FileStreamSource","topic":"t","name":" running "}}"#,
    ] {
        all.push(text.to_owned());
    }
    all
}

fn bodies() -> Vec<Request> {
    let mut all = Vec::new();
    for (request, right) in harmless() {
        all.push(request.clone().header("Content-Type", "application/json"));
        let bodies = shapes().into_iter().chain(encodings(right));
        all.extend(bodies.map(|body| request.clone().json(body)));
    }
    let create = Request::new("POST", "/connectors");
    all.extend(
        creations()
            .into_iter()
            .map(|body| create.clone().json(body)),
    );
    let large = |bytes: usize| format!(r#"{{"name":"running","a":"{}"}}"#, "x".repeat(bytes));
    all.push(create.json(large(1_000_000)));
    let put = Request::new("PUT", "/connectors/running/config");
    let values = [
        "1",
        "1.50",
        "-0",
        "1e3",
        "true",
        "null",
        "\"\"",
        "[]",
        "{}",
        "[1]",
        "\"\\u00e9\"",
    ];
    for value in values {
        let body = format!(
            r#"{{"connector.class":"FileStreamSource","topic":"t","a":{value},"name":"other"}}"#
        );
        all.push(put.clone().json(body));
        let body =
            format!(r#"{{"connector.class":"FileStreamSource","topic":{value},"name":{value}}}"#);
        all.push(put.clone().json(body));
        let body = format!(r#"{{"name":{value}}}"#);
        let patch = |name: &str| Request::new("PATCH", format!("/connectors/{name}/config"));
        all.push(patch("absent").json(body.clone()));
        all.push(patch("stopped").json(body));
        let body = format!(r#"{{"connector.class":{value}}}"#);
        all.push(patch("running").json(body.clone()));
        let validate = "/connector-plugins/FileStreamSource/config/validate";
        all.push(Request::new("PUT", validate).json(body));
        let level = format!(r#"{{"level":{value}}}"#);
        all.push(Request::new("PUT", "/admin/loggers/x.y").json(level));
    }
    // Commands take no body, whatever is sent.
    for body in ["", "{", "{}", "[]", "null", "x"] {
        for (method, path) in [
            ("PUT", "/connectors/paused/pause"),
            ("PUT", "/connectors/running/resume"),
            ("PUT", "/connectors/absent/stop"),
            ("POST", "/connectors/absent/restart"),
            ("POST", "/connectors/absent/tasks/0/restart"),
            ("PUT", "/connectors/absent/topics/reset"),
            ("DELETE", "/connectors/absent"),
            ("DELETE", "/connectors/absent/offsets"),
            ("GET", "/connectors/running"),
            ("GET", "/connectors"),
            ("OPTIONS", "/connectors"),
        ] {
            all.push(Request::new(method, path).json(body));
            all.push(Request::new(method, path).body(body));
        }
    }
    all
}

/// Names as they stand in paths.
const ENCODED_NAMES: [&str; 37] = [
    "a%20b",
    "a+b",
    "a%2Bb",
    "a.b",
    "a..b",
    ".",
    "..",
    "%2e",
    "%2E%2E",
    "a%2Fb",
    "%2F",
    "a%5Cb",
    "a\\b",
    "%C3%A9",
    "é",
    "%F0%9F%98%80",
    "%E9",
    "%FF",
    "%C3",
    "%00",
    "%0A",
    "%7F",
    "%",
    "%4",
    "%zz",
    "%25",
    "%2525",
    "a;b",
    "a;v=1",
    "a%3Bb",
    "a%3Fb",
    "a%23b",
    "a:b",
    "a@b",
    "a\"b",
    "a<b>",
    "a|b^`{}",
];

fn names() -> Vec<Request> {
    let mut all = Vec::new();
    let parts = [
        ("GET", ""),
        ("GET", "/status"),
        ("GET", "/topics"),
        ("GET", "/tasks/0/status"),
        ("PUT", "/pause"),
        ("POST", "/restart"),
        ("POST", "/restart?includeTasks=true"),
        ("DELETE", ""),
    ];
    for name in ENCODED_NAMES {
        for (method, part) in parts {
            all.push(Request::new(method, format!("/connectors/{name}{part}")));
        }
        all.push(Request::new(
            "GET",
            format!("/connector-plugins/{name}/config"),
        ));
        all.push(Request::new("GET", format!("/admin/loggers/{name}")));
    }
    // Made, found, and deleted.
    for (name, path) in [
        ("a b", "a%20b"),
        ("a+b", "a+b"),
        ("a.b", "a.b"),
        ("...", "..."),
        ("é", "%C3%A9"),
        ("😀", "%F0%9F%98%80"),
        ("a:b", "a:b"),
        ("a@b", "a@b"),
        ("a&b=c", "a&b=c"),
        ("a?b", "a%3Fb"),
        ("a#b", "a%23b"),
        ("a,b", "a,b"),
        ("a'b", "a'b"),
        ("a~b", "a~b"),
        ("a*b", "a*b"),
        ("a(b)", "a(b)"),
        ("a[b]", "a%5Bb%5D"),
        ("a{b}", "a%7Bb%7D"),
        ("a|b", "a%7Cb"),
        ("a<b>", "a%3Cb%3E"),
        ("a$b", "a$b"),
        ("a!b", "a!b"),
        ("a\u{a0}b", "a%C2%A0b"),
        ("config", "config"),
        ("İ", "%C4%B0"),
    ] {
        let body = format!(
            r#"{{"name":"{name}","initial_state":"STOPPED","config":{{"connector.class":"FileStreamSource","topic":"t","file":"/FOLDER/none"}}}}"#
        );
        all.push(Request::new("POST", "/connectors").json(body));
        let config = r#"{"connector.class":"FileStreamSource","topic":"t","file":"/FOLDER/none"}"#;
        all.push(Request::new("PUT", format!("/connectors/{path}/config")).json(config));
        all.push(Request::new("GET", format!("/connectors/{path}")));
    }
    // Refused: control characters, nothing but blanks, another name in the configuration.
    for name in [
        "",
        " ",
        "\\n",
        "\\u0000",
        "a\\tb",
        "\\u007f",
        "a\\u0085b",
        "\\r\\n",
        "\\u001b[0m",
    ] {
        let body = format!(
            r#"{{"name":"{name}","config":{{"connector.class":"FileStreamSource","topic":"t"}}}}"#
        );
        all.push(Request::new("POST", "/connectors").json(body));
    }
    all
}

fn queries() -> Vec<Request> {
    let mut all = Vec::new();
    let expands = [
        "",
        "expand",
        "expand=",
        "expand=status",
        "expand=info",
        "expand=status&expand=info",
        "expand=info&expand=info",
        "expand=status,info",
        "expand=STATUS",
        "expand=%73tatus",
        "expand=nope",
        "expand=nope&expand=info",
        "Expand=info",
        "expand=info+",
        "expand=%20info",
        "expand=info;",
        "expand=info;expand=status",
        "expand=info&",
        "&expand=info",
        "&&",
        "=",
        "=info",
        "expand==info",
        "expand=%",
        "expand=%zz",
        "expand=%FF",
        "a=b",
        "forward=true",
    ];
    for query in expands {
        all.push(Request::new("GET", format!("/connectors?{query}")));
    }
    let flags = [
        "", "=", "=true", "=TRUE", "=True", "=false", "=1", "=yes", "=%74rue", "=true%20", "=nope",
    ];
    for flag in flags {
        let only = format!("/connector-plugins?connectorsOnly{flag}");
        all.push(Request::new("GET", only));
        for name in ["absent", "stopped", "broken"] {
            for part in [
                format!("includeTasks{flag}"),
                format!("onlyFailed{flag}"),
                format!("includeTasks{flag}&onlyFailed=true"),
                format!("includeTasks=true&onlyFailed{flag}"),
                format!("includeTasks{flag}&includeTasks=true"),
                format!("includeTasks=true&includeTasks{flag}"),
                format!("includetasks{flag}"),
                format!("forward{flag}"),
            ] {
                let path = format!("/connectors/{name}/restart?{part}");
                all.push(Request::new("POST", path));
            }
        }
    }
    for query in [
        "version=",
        "version",
        "version=1.0",
        "version=4.3.0",
        "version=%5B4.3.0%5D",
        "version=x",
        "a=b",
    ] {
        for class in [
            "FileStreamSource",
            "FileStreamSink",
            "RegexRouter",
            "JsonConverter",
            "Nope",
        ] {
            all.push(Request::new(
                "GET",
                format!("/connector-plugins/{class}/config?{query}"),
            ));
        }
    }
    for class in [
        "FileStreamSourceConnector",
        "org.apache.kafka.connect.file.FileStreamSourceConnector",
        "org.apache.kafka.connect.file.FileStreamSource",
        "filestreamsource",
        "FileStream",
        "org.apache.kafka.connect.transforms.Cast$Key",
        "org.apache.kafka.connect.transforms.Cast%24Value",
        "org.apache.kafka.connect.transforms.Cast",
        "org.apache.kafka.connect.transforms.predicates.HasHeaderKey",
        "HasHeaderKey",
        "StringConverter",
        "SimpleHeaderConverter",
        "org.apache.kafka.connect.storage.StringConverter",
        "java.lang.String",
        "org.apache.kafka.connect.runtime.Worker",
    ] {
        all.push(Request::new(
            "GET",
            format!("/connector-plugins/{class}/config"),
        ));
    }
    all
}

/// Entries of `PATCH /offsets`, from parts that may each be wrong.
fn offsets() -> Vec<Request> {
    let mut all = Vec::new();
    let values = [
        "null",
        "0",
        "1",
        "-1",
        "\"1\"",
        "\"-1\"",
        "\" 1\"",
        "\"x\"",
        "\"\"",
        "1.5",
        "1e2",
        "2147483648",
        "9223372036854775807",
        "9223372036854775808",
        "true",
        "[]",
        "{}",
        "[1]",
        "{\"a\":1}",
    ];
    let mut bodies: Vec<String> = Vec::new();
    for value in values {
        bodies.push(format!(r#"{{"offsets":{value}}}"#));
        bodies.push(format!(r#"{{"offsets":[{value}]}}"#));
        bodies.push(format!(
            r#"{{"offsets":[{{"partition":{value},"offset":{{"position":1}}}}]}}"#
        ));
        bodies.push(format!(
            r#"{{"offsets":[{{"partition":{{"filename":"f"}},"offset":{value}}}]}}"#
        ));
        bodies.push(format!(
            r#"{{"offsets":[{{"partition":{{"filename":{value}}},"offset":{{"position":1}}}}]}}"#
        ));
        bodies.push(format!(r#"{{"offsets":[{{"partition":{{"filename":"/FOLDER/in.txt"}},"offset":{{"position":{value}}}}}]}}"#));
        let sink = |topic: &str, partition: &str, offset: &str| {
            format!(
                r#"{{"offsets":[{{"partition":{{"kafka_topic":{topic},"kafka_partition":{partition}}},"offset":{offset}}}]}}"#
            )
        };
        bodies.push(sink(value, "0", r#"{"kafka_offset":1}"#));
        bodies.push(sink("\"lines\"", value, r#"{"kafka_offset":1}"#));
        bodies.push(sink(
            "\"lines\"",
            "0",
            &format!(r#"{{"kafka_offset":{value}}}"#),
        ));
        bodies.push(sink("\"lines\"", "0", value));
    }
    for text in [
        r#"{"offsets":[]}"#,
        r#"{"Offsets":[]}"#,
        r#"{"offsets":[{}]}"#,
        r#"{"offsets":[{"partition":{"filename":"f"}}]}"#,
        r#"{"offsets":[{"offset":{"position":1}}]}"#,
        r#"{"offsets":[{"partition":{},"offset":{}}]}"#,
        r#"{"offsets":[{"partition":{"filename":"f"},"offset":{"position":1},"other":1}]}"#,
        r#"{"offsets":[{"partition":{"filename":"f"},"ofset":{"position":1}}]}"#,
        r#"{"offsets":[],"other":1}"#,
        r#"{"offsets":[],"offsets":[{"partition":{"filename":"f"},"offset":{"position":2}}]}"#,
        r#"{"offsets":[{"partition":{"filename":"f","filename":"g"},"offset":{"position":2}}]}"#,
        r#"{"offsets":[{"partition":{"filename":"f"},"offset":{"position":1}},{"partition":{"filename":"f"},"offset":{"position":2}}]}"#,
        r#"{"offsets":[{"partition":{"filename":"f"},"offset":null},{"partition":{"filename":"g"},"offset":null}]}"#,
        r#"{"offsets":[{"partition":{"filename":"f","other":1},"offset":{"position":1}}]}"#,
        r#"{"offsets":[{"partition":{"filename":"f"},"offset":{"position":1,"other":1}}]}"#,
        r#"{"offsets":[{"partition":{"kafka_topic":"lines"},"offset":{"kafka_offset":1}}]}"#,
        r#"{"offsets":[{"partition":{"kafka_partition":0},"offset":{"kafka_offset":1}}]}"#,
        r#"{"offsets":[{"partition":{"kafka_topic":"lines","kafka_partition":0},"offset":{}}]}"#,
        r#"{"offsets":[{"partition":{"kafka_topic":"lines","kafka_partition":0},"offset":{"offset":1}}]}"#,
        r#"{"offsets":[{"partition":{"kafka_topic":"lines","kafka_partition":0,"a":1},"offset":{"kafka_offset":1,"b":2}}]}"#,
        r#"{"offsets":[{"partition":{"kafka_topic":"lines","kafka_partition":99},"offset":{"kafka_offset":1}}]}"#,
        r#"{"offsets":[{"partition":{"kafka_topic":"lines","kafka_partition":99},"offset":null}]}"#,
        r#"{"offsets":[{"partition":{"kafka_topic":"no-such-topic","kafka_partition":0},"offset":{"kafka_offset":1}}]}"#,
        r#"{"offsets":[{"partition":{"kafka_topic":"no-such-topic","kafka_partition":0},"offset":null}]}"#,
        r#"{"offsets":[{"partition":{"kafka_topic":"lines","kafka_partition":0},"offset":{"kafka_offset":1}},{"partition":{"kafka_topic":"lines","kafka_partition":0},"offset":{"kafka_offset":2}}]}"#,
        r#"{"offsets":[{"partition":{"kafka_topic":"lines","kafka_partition":0},"offset":{"kafka_offset":100}}]}"#,
    ] {
        bodies.push(text.to_owned());
    }
    for name in ["stopped", "sinkstopped"] {
        for body in &bodies {
            let path = format!("/connectors/{name}/offsets");
            all.push(Request::new("PATCH", path).json(body.as_str()));
        }
        all.push(Request::new(
            "DELETE",
            format!("/connectors/{name}/offsets"),
        ));
    }
    for name in CONNECTORS
        .into_iter()
        .filter(|name| !name.ends_with("stopped"))
    {
        for body in [
            bodies[0].as_str(),
            r#"{"offsets":[{"partition":{"filename":"f"},"offset":{"position":1}}]}"#,
        ] {
            let path = format!("/connectors/{name}/offsets");
            all.push(Request::new("PATCH", path).json(body));
        }
    }
    all
}

fn loggers() -> Vec<Request> {
    let mut all = Vec::new();
    let names = [
        "x.y",
        "x",
        "x.y.z",
        "other",
        "root",
        "ROOT",
        "x.",
        ".x",
        "a%20b",
        "org.apache.kafka.connect.nope",
    ];
    let levels = [
        "INFO", "debug", "Trace", "warn", "WARNING", "error", "FATAL", "off", "ALL", "nonsense",
        "", " info", "0",
    ];
    for name in names {
        let path = format!("/admin/loggers/{name}");
        all.push(Request::new("GET", path.as_str()));
        for level in levels {
            // The level of everything stays as it is: a worker at TRACE is a slow one.
            if name.eq_ignore_ascii_case("root") && !["nonsense", ""].contains(&level) {
                continue;
            }
            let body = format!(r#"{{"level":"{level}"}}"#);
            all.push(Request::new("PUT", path.as_str()).json(body.as_str()));
            all.push(Request::new("GET", path.as_str()));
        }
        for body in [
            "{}",
            "null",
            r#"{"level":null}"#,
            r#"{"Level":"INFO"}"#,
            r#"{"level":"INFO","a":"b"}"#,
        ] {
            all.push(Request::new("PUT", path.as_str()).json(body));
        }
    }
    for scope in [
        "",
        "=",
        "=worker",
        "=WORKER",
        "=cluster",
        "=CLUSTER",
        "=nope",
        "=worker&scope=cluster",
    ] {
        for level in ["INFO", "nonsense"] {
            let body = format!(r#"{{"level":"{level}"}}"#);
            all.push(Request::new("PUT", format!("/admin/loggers/s.t?scope{scope}")).json(body));
        }
        all.push(Request::new(
            "GET",
            format!("/admin/loggers/s.t?scope{scope}"),
        ));
        all.push(Request::new("PUT", format!("/admin/loggers/s.t?scope{scope}")).json("{}"));
    }
    for path in [
        "/admin/loggers/",
        "/admin/loggers//",
        "/admin/loggers/x.y/",
        "/admin/loggers/x/y",
        "/admin/",
    ] {
        all.push(Request::new("GET", path));
        all.push(Request::new("PUT", path).json(r#"{"level":"INFO"}"#));
    }
    all
}

/// Heads of requests that HTTP forbids or seldom sees.
fn heads() -> Vec<Request> {
    let get = || Request::new("GET", "/connectors/absent");
    let put = || Request::new("PUT", "/connectors/absent/pause");
    let mut all = Vec::new();
    for request in [
        get(),
        put(),
        Request::new("GET", "/nope"),
        Request::new("OPTIONS", "/connectors"),
    ] {
        let versioned = |version| Request {
            version,
            ..request.clone()
        };
        all.push(versioned("HTTP/1.0"));
        all.push(versioned("HTTP/1.0").header("Host", "-"));
        all.push(versioned("HTTP/2.0"));
        all.push(versioned("HTTP/1.2"));
        all.push(versioned("HTTP/0.9"));
        all.push(versioned("http/1.1"));
        all.push(request.clone().header("Host", "-"));
        all.push(request.clone().header("Host", ""));
        all.push(request.clone().header("Host", "a b"));
        all.push(request.clone().header("Host", "other:1"));
        all.push(request.clone().header("Host", "other:port"));
        all.push(
            request
                .clone()
                .header("Host", "other")
                .header("Host", "another"),
        );
        all.push(
            request
                .clone()
                .header("Accept", "text/html")
                .header("Accept", "application/json"),
        );
        all.push(
            request
                .clone()
                .header("Accept-Language", "de")
                .header("Accept-Encoding", "identity"),
        );
        all.push(request.clone().header("Authorization", "Basic eDp5"));
        all.push(request.clone().header("Cookie", "a=b; c"));
        all.push(request.clone().header("X-HTTP-Method-Override", "DELETE"));
        all.push(request.clone().header("If-None-Match", "*"));
        all.push(request.clone().header("Range", "bytes=0-1"));
        all.push(request.clone().header("Expect", "nonsense"));
        all.push(request.clone().header("X-Long", "x".repeat(4000)));
        all.push(request.clone().header("Bad Name", "x"));
        all.push(request.clone().header("X", "a\u{1}b"));
        all.push(request.clone().header("X", "é"));
    }
    for target in [
        "*",
        "connectors",
        "http://other/connectors/absent",
        "/connectors/absent#x",
        "/connectors/absent?",
        "?",
        "",
    ] {
        for method in ["GET", "OPTIONS"] {
            all.push(Request::new(method, target));
        }
    }
    let long = |length: usize| Request::new("GET", format!("/connectors/{}", "x".repeat(length)));
    all.extend([long(1000), long(5000)]);
    let body = r#"{"tasks.max":"x"}"#;
    let patch = || Request::new("PATCH", "/connectors/running/config").json(body);
    for length in [
        "-1",
        "x",
        "0",
        "5",
        "+17",
        "17, 17",
        "",
        "99999999999999999999",
    ] {
        all.push(patch().header("Content-Length", length));
    }
    all.push(
        patch()
            .header("Content-Length", "17")
            .header("Content-Length", "17"),
    );
    all.push(
        patch()
            .header("Content-Length", "17")
            .header("Content-Length", "18"),
    );
    let chunked = |body: &str| {
        let patch = Request::new("PATCH", "/connectors/running/config");
        patch.json(body).header("Transfer-Encoding", "chunked")
    };
    all.push(chunked("11\r\n{\"tasks.max\":\"x\"}\r\n0\r\n\r\n"));
    all.push(chunked(
        "8;ext=1\r\n{\"tasks.\r\n9\r\nmax\":\"x\"}\r\n0\r\nTrailer: x\r\n\r\n",
    ));
    all.push(chunked("0\r\n\r\n"));
    all.push(chunked("x\r\n"));
    all.push(patch().header("Transfer-Encoding", "gzip"));
    all.push(patch().header("Content-Encoding", "gzip"));
    all.push(patch().header("Content-Encoding", "identity"));
    all
}

/// What each command does in each state, one after the other.
fn states() -> Vec<Request> {
    let mut all = Vec::new();
    let commands = [
        ("PUT", "/pause"),
        ("PUT", "/resume"),
        ("PUT", "/stop"),
        ("POST", "/restart"),
        ("POST", "/restart?includeTasks=true"),
        ("POST", "/restart?onlyFailed=true"),
        ("POST", "/restart?includeTasks=true&onlyFailed=true"),
        ("POST", "/tasks/0/restart"),
        ("PUT", "/topics/reset"),
        ("DELETE", "/offsets"),
        ("DELETE", ""),
    ];
    for name in CONNECTORS {
        for (method, part) in commands {
            all.push(Request::new(method, format!("/connectors/{name}{part}")));
        }
        for part in [
            "",
            "/config",
            "/status",
            "/tasks",
            "/tasks/0/status",
            "/topics",
            "/offsets",
        ] {
            all.push(Request::new("GET", format!("/connectors/{name}{part}")));
        }
    }
    // Configurations that are taken.
    for (name, class) in [
        ("running", "FileStreamSource"),
        ("stopped", "FileStreamSource"),
        ("paused", "FileStreamSource"),
        ("fresh", "FileStreamSource"),
    ] {
        let config = format!(
            r#"{{"connector.class":"{class}","topic":"changed","file":"/FOLDER/none.txt","a":1.50,"b":true}}"#
        );
        all.push(Request::new("PUT", format!("/connectors/{name}/config")).json(config));
        all.push(
            Request::new("PATCH", format!("/connectors/{name}/config"))
                .json(r#"{"topic":"patched","tasks.max":1,"file":null}"#),
        );
        all.push(Request::new("PATCH", format!("/connectors/{name}/config")).json("{}"));
    }
    for state in ["RUNNING", "paused", "Stopped", "null"] {
        let state = if state == "null" {
            state.to_owned()
        } else {
            format!("\"{state}\"")
        };
        let body = format!(
            r#"{{"name":"fresh","initial_state":{state},"config":{{"connector.class":"FileStreamSource","topic":"fresh","file":"/FOLDER/in.txt"}}}}"#
        );
        all.push(Request::new("POST", "/connectors").json(body));
    }
    for name in ["7", "1.50", "true", "\" padded \""] {
        let body = format!(
            r#"{{"name":{name},"config":{{"connector.class":"FileStreamSource","topic":"fresh","file":"/FOLDER/in.txt"}}}}"#
        );
        all.push(Request::new("POST", "/connectors").json(body));
    }
    let encoded = r#"{"name":"wide","config":{"connector.class":"FileStreamSource","topic":"t","file":"/none"}}"#;
    for body in encodings(encoded) {
        all.push(Request::new("POST", "/connectors").json(body));
    }
    all
}

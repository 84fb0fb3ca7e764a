//! Names of fields: in every case, script and length, and with what SQL has a meaning for.

use serde_json::json;

use super::Column;

/// What a column is called in topics and patterns, and its field's name.
fn names() -> Vec<(&'static str, String)> {
    let named = [
        ("lower", "plain"),
        ("upper", "UPPER"),
        ("camel", "camelCase"),
        ("space", "two words"),
        ("dash", "with-dash"),
        ("dash_camel", "With-Dash"),
        ("digit", "1st"),
        ("digits", "42"),
        ("under", "_under"),
        ("dollar", "a$b"),
        ("dollar_first", "$a"),
        ("hash", "a#b"),
        ("at", "a@b"),
        ("dot", "a.b"),
        ("colon", "a:b"),
        ("semicolon", "a;b"),
        ("comma", "a,b"),
        ("paren", "a(b)"),
        ("slash", "a/b"),
        ("backslash", "a\\b"),
        ("percent", "a%b"),
        ("question", "a?b"),
        ("single_quote", "a'b"),
        ("double_quote", "a\"b"),
        ("double_quotes", "\"ab\""),
        ("back_quote", "a`b"),
        ("bracket", "a[b]"),
        ("brace", "a${b}"),
        ("tab", "a\tb"),
        ("line", "a\nb"),
        ("blank_end", "ab "),
        ("comment", "a--b"),
        ("star_comment", "a/*b"),
        ("german", "größe"),
        ("german_upper", "GRÖSSE"),
        ("sharp_s", "STRAẞE"),
        ("cyrillic", "цена"),
        ("cyrillic_upper", "ЦЕНА"),
        ("greek_sigma", "ΟΔΟΣ"),
        ("turkish", "İSTANBUL"),
        ("chinese", "价格"),
        ("emoji", "😀"),
        ("combining", "e\u{301}"),
        ("select", "select"),
        ("user", "user"),
        ("order", "order"),
        ("table_upper", "TABLE"),
        ("default", "default"),
        ("values", "values"),
        ("timestamp", "timestamp"),
        ("ctid", "ctid"),
        ("xmin", "xmin"),
        ("tableoid", "tableoid"),
    ];
    let mut names: Vec<(&str, String)> = named.map(|(id, name)| (id, name.to_owned())).into();
    names.extend([
        ("letters63", "a".repeat(63)),
        ("letters64", "b".repeat(64)),
        ("cyrillic31", "ц".repeat(31)),
        ("cyrillic40", "ч".repeat(40)),
        ("emoji15", "😀".repeat(15)),
        ("emoji16", "😁".repeat(16)),
    ]);
    names
}

pub(super) fn columns() -> Vec<Column> {
    let column = |(id, field): (&str, String)| Column {
        id: id.to_owned(),
        field,
        schema: json!({"type": "string", "optional": true}),
        values: [json!("a"), json!(null), json!("c")],
        target: None,
    };
    names().into_iter().map(column).collect()
}

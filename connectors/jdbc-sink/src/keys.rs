//! Keys as bytes, for finding the last change of each.

use tidegate_api::Value;

/// Appends a value so that equal values and only those give equal bytes.
pub(crate) fn push(bytes: &mut Vec<u8>, value: &Value) {
    let text = |bytes: &mut Vec<u8>, tag: u8, text: &[u8]| {
        bytes.push(tag);
        bytes.extend_from_slice(&text.len().to_le_bytes());
        bytes.extend_from_slice(text);
    };
    match value {
        Value::Null => bytes.push(0),
        Value::Boolean(flag) => bytes.extend_from_slice(&[1, u8::from(*flag)]),
        Value::Int8(_) | Value::Int16(_) | Value::Int32(_) | Value::Int64(_) => {
            bytes.push(2);
            bytes.extend_from_slice(&value.as_i64().unwrap_or_default().to_le_bytes());
        }
        Value::Float32(number) => text(bytes, 3, &number.to_le_bytes()),
        Value::Float64(number) => text(bytes, 4, &number.to_le_bytes()),
        Value::String(string) => text(bytes, 5, string.as_bytes()),
        Value::Bytes(content) => text(bytes, 6, content),
        Value::Decimal(decimal) => text(bytes, 7, decimal.to_plain_string().as_bytes()),
        Value::Array(items) => {
            bytes.push(8);
            bytes.extend_from_slice(&items.len().to_le_bytes());
            items.iter().for_each(|item| push(bytes, item));
        }
        Value::Map(entries) => {
            bytes.push(9);
            bytes.extend_from_slice(&entries.len().to_le_bytes());
            for (key, value) in entries {
                push(bytes, key);
                push(bytes, value);
            }
        }
        Value::Struct(structure) => {
            bytes.push(10);
            structure
                .values()
                .iter()
                .for_each(|value| push(bytes, value));
        }
    }
}

/// For error texts: `id=5, region=eu`.
pub(crate) fn describe<'a>(columns: impl Iterator<Item = (&'a str, &'a Value)>) -> String {
    let parts: Vec<String> = columns
        .map(|(name, value)| format!("{name}={}", tidegate_api::java_text::value(value)))
        .collect();
    if parts.is_empty() {
        "none".to_owned()
    } else {
        parts.join(", ")
    }
}

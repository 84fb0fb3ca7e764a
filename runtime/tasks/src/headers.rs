//! Headers between a plugin's records and the log. Records of a topic mostly carry the same ones, so that those converted
//! last are at hand.

use std::sync::Arc;

use tidegate_api::{ConnectError, Header, HeaderConverter};
use tidegate_log::RecordHeader;

/// Different headers of a topic beyond this number are converted each time.
const KNOWN: usize = 8;

/// Headers of one topic as they come and as they go.
#[derive(Debug)]
pub(crate) struct KnownHeaders<From, To> {
    topic: Option<Arc<str>>,
    known: Vec<(From, To)>,
}

impl<From, To> Default for KnownHeaders<From, To> {
    fn default() -> Self {
        Self {
            topic: None,
            known: Vec::new(),
        }
    }
}

impl KnownHeaders<Header, RecordHeader> {
    /// As the log keeps them.
    pub(crate) fn to_log(
        &mut self,
        converter: &mut dyn HeaderConverter,
        topic: &Arc<str>,
        headers: &[Header],
    ) -> Result<Vec<RecordHeader>, ConnectError> {
        self.converted(topic, headers, |header| {
            Ok(RecordHeader {
                key: Arc::clone(&header.key),
                value: converter.from_connect_header(topic, &header.key, &header.value)?,
            })
        })
    }
}

impl KnownHeaders<RecordHeader, Header> {
    /// As plugins see them.
    pub(crate) fn to_connect(
        &mut self,
        converter: &mut dyn HeaderConverter,
        topic: &Arc<str>,
        headers: &[RecordHeader],
    ) -> Result<Vec<Header>, ConnectError> {
        self.converted(topic, headers, |header| {
            let value = header.value.as_ref();
            Ok(Header {
                key: Arc::clone(&header.key),
                value: converter.to_connect_header(topic, &header.key, value)?,
            })
        })
    }
}

impl<From: Clone + PartialEq, To: Clone> KnownHeaders<From, To> {
    fn converted(
        &mut self,
        topic: &Arc<str>,
        headers: &[From],
        mut convert: impl FnMut(&From) -> Result<To, ConnectError>,
    ) -> Result<Vec<To>, ConnectError> {
        if self.topic.as_ref() != Some(topic) {
            self.topic = Some(Arc::clone(topic));
            self.known.clear();
        }
        let mut converted = Vec::with_capacity(headers.len());
        for header in headers {
            if let Some((_, known)) = self.known.iter().find(|(known, _)| known == header) {
                converted.push(known.clone());
                continue;
            }
            let new = convert(header)?;
            if self.known.len() < KNOWN {
                self.known.push((header.clone(), new.clone()));
            }
            converted.push(new);
        }
        Ok(converted)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tidegate_api::SchemaAndValue;

    use super::*;

    /// Counts; its answer depends on the topic.
    #[derive(Default)]
    struct Counting(usize);

    impl HeaderConverter for Counting {
        fn from_connect_header(
            &mut self,
            topic: &str,
            _: &str,
            data: &SchemaAndValue,
        ) -> Result<Option<Bytes>, ConnectError> {
            self.0 += 1;
            let text = data.value.as_str().unwrap_or_default();
            Ok(Some(Bytes::from(format!("{topic}/{text}"))))
        }
        fn to_connect_header(
            &mut self,
            topic: &str,
            _: &str,
            bytes: Option<&Bytes>,
        ) -> Result<SchemaAndValue, ConnectError> {
            self.0 += 1;
            let text = String::from_utf8_lossy(bytes.map_or(&[], |bytes| bytes)).into_owned();
            Ok(SchemaAndValue::schemaless(
                format!("{topic}/{text}").as_str(),
            ))
        }
    }

    fn header(key: &str, value: &str) -> Header {
        Header {
            key: Arc::from(key),
            value: SchemaAndValue::schemaless(value),
        }
    }

    #[test]
    fn what_is_the_same_is_converted_once_for_each_topic() {
        let (mut converter, mut known) = (Counting::default(), KnownHeaders::default());
        let headers = [header("a", "1"), header("b", "1"), header("a", "2")];
        for topic in ["t", "t", "u"] {
            let found = known.to_log(&mut converter, &Arc::from(topic), &headers);
            let values: Vec<_> = found
                .expect("converted")
                .into_iter()
                .filter_map(|header| header.value)
                .collect();
            assert_eq!(
                values,
                ["1", "1", "2"].map(|text| format!("{topic}/{text}"))
            );
        }
        assert_eq!(converter.0, 6);
    }

    #[test]
    fn more_than_are_remembered_are_right_all_the_same() {
        let (mut converter, mut known) = (Counting::default(), KnownHeaders::default());
        let topic = Arc::from("t");
        for _ in 0..2 {
            for value in 0..3 * KNOWN {
                let header = RecordHeader {
                    key: Arc::from("h"),
                    value: Some(Bytes::from(value.to_string())),
                };
                let found = known.to_connect(&mut converter, &topic, &[header]);
                let found = found.expect("converted").remove(0);
                assert_eq!(found.value.value.as_str(), Some(&*format!("t/{value}")));
            }
        }
    }
}

//! Headers between a plugin's records and the log. A list that many records share is converted once. Of other headers those
//! converted last are at hand, as records of a topic mostly carry the same ones.

use std::sync::Arc;

use tidegate_api::{ConnectError, Header, HeaderConverter, Headers, RecentMap};
use tidegate_log::{RecordHeader, RecordHeaders};

/// Different headers of a topic beyond this number are converted each time.
const KNOWN: usize = 8;
/// Shared lists that are kept, of all topics.
const LISTS: usize = 4_096;

/// Headers of a source's records on their way into the log.
#[derive(Debug)]
pub(crate) struct ToLog {
    own: KnownHeaders<Header, RecordHeader>,
    /// By the addresses of topic and list.
    shared: RecentMap<(usize, usize), SharedList>,
    last: Option<SharedList>,
}

/// A shared list as it comes and as it goes. It keeps what it is found by.
#[derive(Debug, Clone)]
struct SharedList {
    topic: Arc<str>,
    from: Arc<[Header]>,
    to: Arc<[RecordHeader]>,
}

impl Default for ToLog {
    fn default() -> Self {
        Self {
            own: KnownHeaders::default(),
            shared: RecentMap::new(LISTS),
            last: None,
        }
    }
}

impl ToLog {
    /// As the log keeps them, in the same order.
    pub(crate) fn convert(
        &mut self,
        converter: &mut dyn HeaderConverter,
        topic: &Arc<str>,
        headers: &Headers,
    ) -> Result<RecordHeaders, ConnectError> {
        let (before, shared, after) = headers.parts();
        let mut to_log = |header: &Header| {
            Ok(RecordHeader {
                key: Arc::clone(&header.key),
                value: converter.from_connect_header(topic, &header.key, &header.value)?,
            })
        };
        let before = self.own.converted(topic, before, &mut to_log)?;
        let shared = match shared {
            Some(list) => Some(self.list(topic, list, &mut to_log)?),
            None => None,
        };
        let after = self.own.converted(topic, after, &mut to_log)?;
        Ok(RecordHeaders::from_parts(before, shared, after))
    }

    fn list(
        &mut self,
        topic: &Arc<str>,
        list: &Arc<[Header]>,
        to_log: impl FnMut(&Header) -> Result<RecordHeader, ConnectError>,
    ) -> Result<Arc<[RecordHeader]>, ConnectError> {
        if let Some(last) = &self.last
            && Arc::ptr_eq(&last.topic, topic)
            && Arc::ptr_eq(&last.from, list)
        {
            return Ok(Arc::clone(&last.to));
        }
        let addresses = (topic.as_ptr().addr(), list.as_ptr().addr());
        let known = match self.shared.get(&addresses) {
            Some(known) => known.clone(),
            None => {
                let made: Vec<RecordHeader> = list.iter().map(to_log).collect::<Result<_, _>>()?;
                let new = SharedList {
                    topic: Arc::clone(topic),
                    from: Arc::clone(list),
                    // Few converters look at the topic: the log then has one list for all of them, too.
                    to: match &self.last {
                        Some(last) if *last.to == *made => Arc::clone(&last.to),
                        _ => made.into(),
                    },
                };
                self.shared.insert(addresses, new.clone());
                new
            }
        };
        Ok(Arc::clone(&self.last.insert(known).to))
    }
}

/// Headers of the log on their way to a sink.
#[derive(Debug, Default)]
pub(crate) struct ToConnect {
    known: KnownHeaders<RecordHeader, Header>,
    /// Those of the last record that had some.
    last: Option<(Arc<str>, RecordHeaders, Headers)>,
}

impl ToConnect {
    /// As plugins see them. Records that follow each other and carry the same share a list.
    pub(crate) fn convert(
        &mut self,
        converter: &mut dyn HeaderConverter,
        topic: &Arc<str>,
        headers: &RecordHeaders,
    ) -> Result<Headers, ConnectError> {
        if headers.is_empty() {
            return Ok(Headers::new());
        }
        if let Some((known, from, to)) = &self.last
            && known == topic
            && from == headers
        {
            return Ok(to.clone());
        }
        let converted = self.known.converted(topic, headers, |header| {
            let value = header.value.as_ref();
            Ok(Header {
                key: Arc::clone(&header.key),
                value: converter.to_connect_header(topic, &header.key, value)?,
            })
        })?;
        let converted = Headers::shared(converted);
        self.last = Some((Arc::clone(topic), headers.clone(), converted.clone()));
        Ok(converted)
    }
}

/// Headers of one topic as they come and as they go.
#[derive(Debug)]
struct KnownHeaders<From, To> {
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

impl<From: Clone + PartialEq, To: Clone> KnownHeaders<From, To> {
    fn converted<'a>(
        &mut self,
        topic: &Arc<str>,
        headers: impl IntoIterator<Item = &'a From>,
        mut convert: impl FnMut(&From) -> Result<To, ConnectError>,
    ) -> Result<Vec<To>, ConnectError>
    where
        From: 'a,
    {
        let mut converted = Vec::new();
        for header in headers {
            if self.topic.as_ref() != Some(topic) {
                self.topic = Some(Arc::clone(topic));
                self.known.clear();
            }
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

    fn texts(headers: &RecordHeaders) -> Vec<String> {
        let values = headers.iter().filter_map(|header| header.value.as_ref());
        values
            .map(|value| String::from_utf8_lossy(value).into_owned())
            .collect()
    }

    #[test]
    fn what_is_the_same_is_converted_once_for_each_topic() {
        let (mut converter, mut known) = (Counting::default(), ToLog::default());
        let headers: Headers = [header("a", "1"), header("b", "1"), header("a", "2")]
            .into_iter()
            .collect();
        for topic in ["t", "t", "u"] {
            let found = known.convert(&mut converter, &Arc::from(topic), &headers);
            assert_eq!(
                texts(&found.expect("converted")),
                ["1", "1", "2"].map(|text| format!("{topic}/{text}"))
            );
        }
        assert_eq!(converter.0, 6);
    }

    #[test]
    fn a_shared_list_is_converted_once_for_each_topic_and_stays_shared() {
        let (mut converter, mut known) = (Counting::default(), ToLog::default());
        let list: Arc<[Header]> = Arc::from([header("a", "1"), header("b", "2")]);
        let topics: [Arc<str>; 2] = [Arc::from("t"), Arc::from("u")];
        let mut lists = Vec::new();
        for _ in 0..3 {
            for topic in &topics {
                let headers = Headers::shared(Arc::clone(&list));
                let found = known.convert(&mut converter, topic, &headers);
                let found = found.expect("converted");
                assert_eq!(
                    texts(&found),
                    ["1", "2"].map(|text| format!("{topic}/{text}"))
                );
                lists.extend(found.parts().1.cloned());
            }
        }
        assert_eq!(converter.0, 4);
        assert_eq!(lists.len(), 6);
        for (index, list) in lists.iter().enumerate() {
            assert!(Arc::ptr_eq(list, &lists[index % 2]));
        }
        // Another list is another one, although it is equal.
        let equal = Headers::shared(list.to_vec());
        known
            .convert(&mut converter, &topics[1], &equal)
            .expect("converted");
        assert_eq!(converter.0, 6);
    }

    #[test]
    fn own_headers_stay_around_the_shared_ones() {
        let (mut converter, mut known) = (Counting::default(), ToLog::default());
        let list: Arc<[Header]> = Arc::from([header("a", "1"), header("b", "2")]);
        let topic = Arc::from("t");
        for own in ["7", "8"] {
            let headers = Headers::from_parts(
                vec![header("first", own)],
                Some(Arc::clone(&list)),
                [header("last", own)],
            );
            let found = known.convert(&mut converter, &topic, &headers);
            let found = found.expect("converted");
            let keys: Vec<_> = found.iter().map(|header| &*header.key).collect();
            assert_eq!(keys, ["first", "a", "b", "last"]);
            assert_eq!(
                texts(&found),
                [own, "1", "2", own].map(|text| format!("t/{text}"))
            );
        }
        assert_eq!(converter.0, 6);
    }

    #[test]
    fn a_list_that_fails_is_tried_again() {
        struct Failing(bool);
        impl HeaderConverter for Failing {
            fn from_connect_header(
                &mut self,
                _: &str,
                _: &str,
                _: &SchemaAndValue,
            ) -> Result<Option<Bytes>, ConnectError> {
                if std::mem::take(&mut self.0) {
                    return Err(ConnectError::retriable("away"));
                }
                Ok(None)
            }
            fn to_connect_header(
                &mut self,
                _: &str,
                _: &str,
                _: Option<&Bytes>,
            ) -> Result<SchemaAndValue, ConnectError> {
                Ok(SchemaAndValue::default())
            }
        }
        let (mut converter, mut known) = (Failing(true), ToLog::default());
        let headers = Headers::shared([header("a", "1")]);
        let topic = Arc::from("t");
        let mut convert = || known.convert(&mut converter, &topic, &headers);
        assert!(convert().is_err());
        assert_eq!(convert().map(|found| found.len()).ok(), Some(1));
    }

    #[test]
    fn records_of_the_log_with_the_same_headers_share_them() {
        let (mut converter, mut known) = (Counting::default(), ToConnect::default());
        let headers = |value: &'static str| {
            RecordHeaders::from(vec![RecordHeader {
                key: Arc::from("h"),
                value: Some(Bytes::from(value)),
            }])
        };
        let mut convert = |topic: &str, value| {
            let headers = known.convert(&mut converter, &Arc::from(topic), &headers(value));
            let headers = headers.expect("converted");
            let text = headers
                .get(0)
                .and_then(|header| header.value.value.as_str());
            assert_eq!(text, Some(&*format!("{topic}/{value}")));
            headers.parts().1.cloned().expect("a shared list")
        };
        let first = convert("t", "1");
        assert!(Arc::ptr_eq(&first, &convert("t", "1")));
        convert("u", "1");
        convert("u", "2");
        convert("t", "1");
        assert_eq!(converter.0, 4);
    }

    #[test]
    fn more_than_are_remembered_are_right_all_the_same() {
        let (mut converter, mut known) = (Counting::default(), ToConnect::default());
        let topic = Arc::from("t");
        for _ in 0..2 {
            for value in 0..3 * KNOWN {
                let header = RecordHeader {
                    key: Arc::from("h"),
                    value: Some(Bytes::from(value.to_string())),
                };
                let found = known.convert(&mut converter, &topic, &vec![header].into());
                let found = found.expect("converted");
                let found = found.get(0).and_then(|header| header.value.value.as_str());
                assert_eq!(found, Some(&*format!("t/{value}")));
            }
        }
    }
}

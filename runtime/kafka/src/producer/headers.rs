//! Headers in librdkafka's form. It takes a list for each record and frees it with the record; of a list that many records
//! share it is given copies, which are cheaper than the headers one by one.

use std::sync::Arc;

use rdkafka::message::{Header, OwnedHeaders};
use tidegate_api::RecentMap;
use tidegate_log::{RecordHeader, RecordHeaders};

/// Shared lists that are kept. A task has few of them.
const LISTS: usize = 256;

/// Makes headers; knows the shared lists that it has seen, by their addresses.
pub(super) struct NativeHeaders(RecentMap<usize, (Arc<[RecordHeader]>, OwnedHeaders)>);

impl NativeHeaders {
    pub(super) fn new() -> Self {
        Self(RecentMap::new(LISTS))
    }

    /// `None` if there are no headers.
    pub(super) fn of(&mut self, headers: &RecordHeaders) -> Option<OwnedHeaders> {
        match headers.parts() {
            ([], None, []) => None,
            // librdkafka adds headers only at the end.
            ([], Some(shared), after) => Some(with(self.copy_of(shared), after)),
            _ => Some(with(
                OwnedHeaders::new_with_capacity(headers.len()),
                headers,
            )),
        }
    }

    fn copy_of(&mut self, shared: &Arc<[RecordHeader]>) -> OwnedHeaders {
        let address = shared.as_ptr().addr();
        if let Some((_, native)) = self.0.get(&address) {
            return native.clone();
        }
        let native = with(OwnedHeaders::new_with_capacity(shared.len()), shared.iter());
        let copy = native.clone();
        self.0.insert(address, (Arc::clone(shared), native));
        copy
    }
}

fn with<'a>(
    native: OwnedHeaders,
    headers: impl IntoIterator<Item = &'a RecordHeader>,
) -> OwnedHeaders {
    headers.into_iter().fold(native, |native, header| {
        native.insert(Header {
            key: &header.key,
            value: header.value.as_deref(),
        })
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use rdkafka::message::Headers as _;

    use super::*;

    fn header(key: &str, value: Option<&'static str>) -> RecordHeader {
        RecordHeader {
            key: Arc::from(key),
            value: value.map(Bytes::from),
        }
    }

    #[test]
    fn headers_keep_their_order_and_their_nulls() {
        let mut native = NativeHeaders::new();
        let shared: Arc<[_]> = Arc::from([header("s", Some("1")), header("t", None)]);
        let own = || vec![header("o", Some(""))];
        let all = |before: Vec<_>, after: Vec<_>| {
            RecordHeaders::from_parts(before, Some(Arc::clone(&shared)), after)
        };
        for headers in [
            all(own(), own()),
            all(Vec::new(), own()),
            all(Vec::new(), Vec::new()),
            all(own(), Vec::new()),
            RecordHeaders::from(own()),
            RecordHeaders::shared(own()),
            all(Vec::new(), Vec::new()),
        ] {
            let made = native.of(&headers).expect("headers");
            let found: Vec<RecordHeader> = made
                .iter()
                .map(|header| RecordHeader {
                    key: Arc::from(header.key),
                    value: header.value.map(Bytes::copy_from_slice),
                })
                .collect();
            assert_eq!(RecordHeaders::from(found), headers);
        }
        assert!(native.of(&RecordHeaders::new()).is_none());
    }
}

//! Lists of headers. Most headers of a source's records say where they come from and are the same for all of them.

use std::fmt;
use std::iter::Chain;
use std::slice::Iter;
use std::sync::Arc;

/// Headers in their order; keys may repeat. Those that many records share are one list, of which a clone is a count; the few
/// of this record alone stand before it or behind it. Empty costs nothing.
#[derive(Clone)]
pub struct HeaderList<H> {
    /// Never empty.
    shared: Option<Arc<[H]>>,
    own: Vec<H>,
    /// So many of `own` stand before the shared ones.
    before: usize,
}

impl<H> HeaderList<H> {
    pub const fn new() -> Self {
        Self {
            shared: None,
            own: Vec::new(),
            before: 0,
        }
    }

    /// Headers that other records have, too.
    pub fn shared(list: impl Into<Arc<[H]>>) -> Self {
        Self::from_parts(Vec::new(), Some(list.into()), [])
    }

    /// See [`parts`](Self::parts).
    pub fn from_parts(
        before: Vec<H>,
        shared: Option<Arc<[H]>>,
        after: impl IntoIterator<Item = H>,
    ) -> Self {
        let mut list = Self {
            shared: shared.filter(|shared| !shared.is_empty()),
            before: before.len(),
            own: before,
        };
        list.own.extend(after);
        list
    }

    /// The record's own headers before the shared ones, the shared ones if there are any, and those behind them.
    pub fn parts(&self) -> (&[H], Option<&Arc<[H]>>, &[H]) {
        let (before, after) = self.own.split_at(self.before);
        (before, self.shared.as_ref(), after)
    }

    pub fn len(&self) -> usize {
        self.own.len() + self.shared.as_ref().map_or(0, |shared| shared.len())
    }

    pub fn is_empty(&self) -> bool {
        self.own.is_empty() && self.shared.is_none()
    }

    pub fn iter(&self) -> Chain<Chain<Iter<'_, H>, Iter<'_, H>>, Iter<'_, H>> {
        let (before, shared, after) = self.parts();
        let shared = shared.map_or(&[][..], |shared| &shared[..]);
        before.iter().chain(shared).chain(after)
    }

    pub fn get(&self, index: usize) -> Option<&H> {
        self.iter().nth(index)
    }

    /// Adds a header behind all others.
    pub fn push(&mut self, header: H) {
        self.own.push(header);
    }

    /// Adds a header before all others.
    pub fn push_front(&mut self, header: H) {
        self.own.insert(0, header);
        self.before += 1;
    }

    /// Leaves out the headers of which `keep` is false, which is asked of each once, in their order.
    pub fn retain(&mut self, mut keep: impl FnMut(&H) -> bool)
    where
        H: Clone,
    {
        let kept: Vec<bool> = self.iter().map(&mut keep).collect();
        if kept.iter().all(|kept| *kept) {
            return;
        }
        let pairs = self.iter().zip(kept);
        *self = pairs
            .filter(|(_, kept)| *kept)
            .map(|(header, _)| header.clone())
            .collect();
    }
}

impl<H> Default for HeaderList<H> {
    fn default() -> Self {
        Self::new()
    }
}

impl<H: fmt::Debug> fmt::Debug for HeaderList<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

/// By the headers and their order, whichever of them are shared.
impl<H: PartialEq> PartialEq for HeaderList<H> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other)
    }
}

impl<H: Eq> Eq for HeaderList<H> {}

impl<'a, H> IntoIterator for &'a HeaderList<H> {
    type Item = &'a H;
    type IntoIter = Chain<Chain<Iter<'a, H>, Iter<'a, H>>, Iter<'a, H>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<H: Clone> IntoIterator for HeaderList<H> {
    type Item = H;
    type IntoIter = std::vec::IntoIter<H>;

    fn into_iter(self) -> Self::IntoIter {
        match self.shared {
            None => self.own.into_iter(),
            Some(_) => self.iter().cloned().collect::<Vec<_>>().into_iter(),
        }
    }
}

impl<H> Extend<H> for HeaderList<H> {
    fn extend<I: IntoIterator<Item = H>>(&mut self, headers: I) {
        self.own.extend(headers);
    }
}

impl<H> From<Vec<H>> for HeaderList<H> {
    fn from(own: Vec<H>) -> Self {
        Self::from_parts(own, None, [])
    }
}

impl<H> FromIterator<H> for HeaderList<H> {
    fn from_iter<I: IntoIterator<Item = H>>(headers: I) -> Self {
        Self::from(headers.into_iter().collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(headers: &HeaderList<u8>) -> Vec<u8> {
        let listed: Vec<u8> = headers.iter().copied().collect();
        assert_eq!(headers.len(), listed.len());
        assert_eq!(headers.is_empty(), listed.is_empty());
        assert_eq!(headers.get(listed.len()), None);
        for (index, header) in listed.iter().enumerate() {
            assert_eq!(headers.get(index), Some(header));
        }
        assert_eq!(*headers, HeaderList::from(listed.clone()));
        assert_eq!(format!("{headers:?}"), format!("{listed:?}"));
        assert_eq!(headers.clone().into_iter().collect::<Vec<_>>(), listed);
        listed
    }

    #[test]
    fn own_headers_stand_around_the_shared_ones() {
        let shared: Arc<[u8]> = Arc::from([5, 6]);
        let mut headers = HeaderList::shared(Arc::clone(&shared));
        assert_eq!(list(&headers), [5, 6]);
        headers.push_front(4);
        headers.push(7);
        headers.push_front(3);
        headers.extend([8, 9]);
        assert_eq!(list(&headers), [3, 4, 5, 6, 7, 8, 9]);
        let (before, found, after) = headers.parts();
        assert!(found.is_some_and(|found| Arc::ptr_eq(found, &shared)));
        assert_eq!((before, after), (&[3, 4][..], &[7, 8, 9][..]));
        let again = HeaderList::from_parts(before.to_vec(), found.cloned(), after.to_vec());
        assert_eq!(again, headers);
        assert_ne!(again, HeaderList::shared(shared));
    }

    #[test]
    fn headers_without_shared_ones_are_in_order_too() {
        let mut headers = HeaderList::new();
        assert_eq!(list(&headers), Vec::<u8>::new());
        headers.push(2);
        headers.push_front(1);
        headers.push(3);
        assert_eq!(list(&headers), [1, 2, 3]);
        assert!(HeaderList::<u8>::shared([]).is_empty());
    }

    #[test]
    fn what_is_not_retained_leaves_the_lists_of_others_alone() {
        let shared: Arc<[u8]> = Arc::from([5, 6]);
        let mut headers = HeaderList::from_parts(vec![3], Some(Arc::clone(&shared)), [7, 8]);
        let mut asked = Vec::new();
        headers.retain(|header| {
            asked.push(*header);
            true
        });
        assert_eq!(asked, [3, 5, 6, 7, 8]);
        assert!(headers.parts().1.is_some());
        headers.retain(|header| header % 2 == 0);
        assert_eq!(list(&headers), [6, 8]);
        assert_eq!(*shared, [5, 6]);
        headers.push_front(1);
        assert_eq!(list(&headers), [1, 6, 8]);
    }
}

//! What is made once per schema.
//!
//! Caches with a limit forget the half that has not been used for longest. One that forgets all at once, or that knows
//! schemas by their address only, makes everything behind it begin anew as soon as there is one schema too many.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::sync::Arc;

use crate::Schema;

/// A map of limited size.
#[derive(Debug)]
pub struct RecentMap<K, V> {
    capacity: usize,
    /// Counts uses; the time of this map.
    now: u64,
    entries: HashMap<K, (V, u64)>,
}

impl<K: Eq + Hash, V> RecentMap<K, V> {
    /// A map that holds at least one entry.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            now: 0,
            entries: HashMap::new(),
        }
    }

    pub fn get<Q>(&mut self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.get_mut(key).map(|value| &*value)
    }

    pub fn get_mut<Q>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.now += 1;
        let (value, used) = self.entries.get_mut(key)?;
        *used = self.now;
        Some(value)
    }

    pub fn insert(&mut self, key: K, value: V) {
        if self.entries.len() >= self.capacity && !self.entries.contains_key(&key) {
            self.forget_older_half();
        }
        self.now += 1;
        self.entries.insert(key, (value, self.now));
    }

    /// Costs a look at each entry, once for half as many insertions.
    fn forget_older_half(&mut self) {
        let mut uses: Vec<u64> = self.entries.values().map(|(_, used)| *used).collect();
        let middle = uses.len() / 2;
        let (_, newest_to_go, _) = uses.select_nth_unstable(middle);
        let newest_to_go = *newest_to_go;
        self.entries.retain(|_, (_, used)| *used > newest_to_go);
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// What was made of schemas: by the address of the schema, which is kept alive, and behind that mostly by its structure. So
/// schemas that are equal have one result, whichever of them comes.
#[derive(Debug)]
pub struct SchemaCache<T> {
    /// Records of one schema follow each other.
    last: Option<(Arc<Schema>, Arc<T>)>,
    by_address: RecentMap<usize, (Arc<Schema>, Arc<T>)>,
    /// By the hash of the structure; of two with one hash the later one. `None` if equal schemas have a result each.
    by_structure: Option<RecentMap<u64, (Arc<Schema>, Arc<T>)>>,
}

impl<T> SchemaCache<T> {
    pub fn new(capacity: usize) -> Self {
        Self {
            last: None,
            by_address: RecentMap::new(capacity),
            by_structure: Some(RecentMap::new(capacity)),
        }
    }

    /// By the address alone: for results that hold parts of their schema and compare them with those of each record, which
    /// costs nothing only if they are the same.
    pub fn by_address(capacity: usize) -> Self {
        Self {
            last: None,
            by_address: RecentMap::new(capacity),
            by_structure: None,
        }
    }

    /// What `make` made of a schema that is equal.
    ///
    /// # Errors
    /// Those of `make`; nothing is kept then.
    pub fn get<E>(
        &mut self,
        schema: &Arc<Schema>,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<&T, E> {
        let last = match self.last.take() {
            Some(last) if Arc::ptr_eq(&last.0, schema) => last,
            _ => (Arc::clone(schema), self.known_or_made(schema, make)?),
        };
        Ok(&self.last.insert(last).1)
    }

    fn known_or_made<E>(
        &mut self,
        schema: &Arc<Schema>,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<Arc<T>, E> {
        let address = Arc::as_ptr(schema).addr();
        match self.by_address.get(&address) {
            Some((_, result)) => Ok(Arc::clone(result)),
            None => self.add(schema, make),
        }
    }

    fn add<E>(
        &mut self,
        schema: &Arc<Schema>,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<Arc<T>, E> {
        let result = match &mut self.by_structure {
            None => Arc::new(make()?),
            Some(by_structure) => {
                let mut hasher = DefaultHasher::new();
                schema.hash(&mut hasher);
                let structure = hasher.finish();
                match by_structure.get(&structure) {
                    Some((known, result)) if known == schema => Arc::clone(result),
                    _ => {
                        let result = Arc::new(make()?);
                        let entry = (Arc::clone(schema), Arc::clone(&result));
                        by_structure.insert(structure, entry);
                        result
                    }
                }
            }
        };
        let entry = (Arc::clone(schema), Arc::clone(&result));
        let address = Arc::as_ptr(schema).addr();
        self.by_address.insert(address, entry);
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::{Kind, SchemaBuilder};

    fn schema(number: usize) -> Arc<Schema> {
        SchemaBuilder::new(Kind::Int32)
            .name(format!("s{number}"))
            .build()
    }

    fn name_of(cache: &mut SchemaCache<String>, schema: &Arc<Schema>, made: &mut usize) -> String {
        let result = cache.get(schema, || {
            *made += 1;
            Ok::<_, Infallible>(schema.name.as_deref().unwrap_or_default().to_owned())
        });
        result.unwrap().clone()
    }

    #[test]
    fn equal_schemas_have_one_result() {
        let (mut cache, mut made) = (SchemaCache::new(4), 0);
        let first = name_of(&mut cache, &schema(1), &mut made);
        for _ in 0..20 {
            assert_eq!(name_of(&mut cache, &schema(1), &mut made), first);
        }
        assert_eq!(made, 1);
    }

    #[test]
    fn by_address_each_schema_has_its_own_result() {
        let (mut cache, mut made) = (SchemaCache::by_address(4), 0);
        let schemas = [schema(1), schema(1)];
        for _ in 0..3 {
            for schema in &schemas {
                assert_eq!(name_of(&mut cache, schema, &mut made), "s1");
            }
        }
        assert_eq!(made, 2);
    }

    #[test]
    fn one_schema_too_many_costs_no_other_that_is_used() {
        const CAPACITY: usize = 64;
        let (mut cache, mut made) = (SchemaCache::new(CAPACITY), 0);
        let hot: Vec<_> = (0..CAPACITY / 4).map(schema).collect();
        for round in 0..1_000 {
            for schema in &hot {
                assert_eq!(
                    name_of(&mut cache, schema, &mut made),
                    *schema.name.as_deref().unwrap()
                );
            }
            name_of(&mut cache, &schema(CAPACITY + round), &mut made);
        }
        assert_eq!(made, CAPACITY / 4 + 1_000);
        let by_structure = cache.by_structure.expect("two ways");
        assert!(cache.by_address.len() <= CAPACITY && by_structure.len() <= CAPACITY);
    }

    #[test]
    fn failures_are_not_kept() {
        let mut cache = SchemaCache::<u8>::new(4);
        let schema = schema(1);
        assert_eq!(cache.get(&schema, || Err("no")), Err("no"));
        assert_eq!(cache.get(&schema, || Ok::<_, &str>(7)), Ok(&7));
    }
}

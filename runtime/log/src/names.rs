//! Names that many records share.

use std::sync::Arc;

/// Names beyond this number, such as header names made of values, push the others out.
const KEPT: usize = 1024;

/// Gives equal names one `Arc`.
#[derive(Debug, Default)]
pub struct Names(Vec<Arc<str>>);

impl Names {
    /// The one `Arc` of a name. Names follow each other in runs, so the last one comes first.
    pub fn get(&mut self, name: &str) -> Arc<str> {
        let known = &mut self.0;
        if let Some(found) = known.iter().rposition(|known| **known == *name) {
            let last = known.len() - 1;
            known.swap(found, last);
            return Arc::clone(&known[last]);
        }
        if known.len() == KEPT {
            known.clear();
        }
        let name: Arc<str> = Arc::from(name);
        known.push(Arc::clone(&name));
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_names_are_one_and_the_number_kept_is_bounded() {
        let mut names = Names::default();
        let first = names.get("a");
        names.get("b");
        assert!(Arc::ptr_eq(&first, &names.get("a")));
        for n in 0..3 * KEPT {
            names.get(&n.to_string());
        }
        assert!(names.0.len() <= KEPT);
    }
}

//! A map by name that is cheap to copy and looks up at the price of a flat
//! table.
//!
//! A persistent tree alone spends most of a decision on cache misses once
//! there are a hundred thousand names: three or four nodes for each look.

use crate::hash::BuildNameHasher;
use imbl::GenericHashMap;
use imbl::shared_ptr::DefaultSharedPtr;
use std::collections::HashMap;
use std::sync::Arc;

/// A persistent tree by name, for few of them.
pub(crate) type Names<V> = GenericHashMap<Arc<str>, V, BuildNameHasher, DefaultSharedPtr>;

/// Names and what they stand for. A copy shares the table; what is changed
/// while it is shared is kept beside it, until that is a sixteenth of it.
#[derive(Clone, Debug)]
pub(crate) struct Index<V> {
    table: Arc<HashMap<Arc<str>, V, BuildNameHasher>>,
    /// `None` for what is not there any more.
    changed: Names<Option<V>>,
}

impl<V> Default for Index<V> {
    fn default() -> Self {
        Index {
            table: Arc::default(),
            changed: Names::default(),
        }
    }
}

impl<V: Clone> Index<V> {
    pub(crate) fn get(&self, name: &str) -> Option<&V> {
        if !self.changed.is_empty()
            && let Some(changed) = self.changed.get(name)
        {
            return changed.as_ref();
        }
        self.table.get(name)
    }

    /// The name itself, as it is kept here.
    pub(crate) fn name(&self, name: &str) -> Option<&Arc<str>> {
        match self.changed.get_key_value(name) {
            Some((name, changed)) => changed.as_ref().map(|_| name),
            None => self.table.get_key_value(name).map(|(name, _)| name),
        }
    }

    /// What the name stands for, to be changed; at first nothing.
    pub(crate) fn get_or_default(&mut self, name: Arc<str>) -> &mut V
    where
        V: Default,
    {
        if self.settle() {
            return Arc::make_mut(&mut self.table).entry(name).or_default();
        }
        let found = self.table.get(&name);
        let changed = self.changed.entry(name);
        changed
            .or_insert_with(|| found.cloned())
            .get_or_insert_default()
    }

    /// Takes the name out.
    pub(crate) fn remove(&mut self, name: &str) {
        if self.settle() {
            Arc::make_mut(&mut self.table).remove(name);
        } else if self.table.contains_key(name) {
            self.changed.insert(name.into(), None);
        } else {
            self.changed.remove(name);
        }
    }

    /// Whether the table may be written to: nobody shares it, or there is so
    /// much beside it that a copy of its own is due.
    fn settle(&mut self) -> bool {
        let due = self.changed.len() > 64 + self.table.len() / 16;
        let own = due || Arc::get_mut(&mut self.table).is_some();
        if own && !self.changed.is_empty() {
            let table = Arc::make_mut(&mut self.table);
            for (name, value) in std::mem::take(&mut self.changed) {
                match value {
                    Some(value) => table.insert(name, value),
                    None => table.remove(&name),
                };
            }
        }
        own
    }
}

#[cfg(test)]
mod tests {
    use super::Index;
    use std::collections::BTreeMap;

    /// Whatever is shared when: an index says what a map would.
    #[test]
    fn copies_differ_by_what_was_done_to_each() {
        let mut random = 7_u64;
        let mut next = |below: u64| {
            random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            (random >> 33) % below
        };
        let mut pairs = vec![(Index::<u64>::default(), BTreeMap::<String, u64>::new())];
        for step in 0..20_000 {
            let place = next(pairs.len() as u64) as usize;
            match next(400) {
                0 if pairs.len() < 6 => pairs.push(pairs[place].clone()),
                1 if pairs.len() > 1 => drop(pairs.swap_remove(place)),
                2..=99 => {
                    let name = format!("name-{}", next(300));
                    pairs[place].0.remove(&name);
                    pairs[place].1.remove(&name);
                }
                _ => {
                    let name = format!("name-{}", next(300));
                    *pairs[place].0.get_or_default(name.as_str().into()) = step;
                    pairs[place].1.insert(name, step);
                }
            }
            if step % 50 != 0 {
                continue;
            }
            for (index, map) in &pairs {
                for name in (0..300).map(|n| format!("name-{n}")) {
                    assert_eq!(index.get(&name), map.get(&name), "{name}");
                    let kept = index.name(&name).map(AsRef::as_ref);
                    assert_eq!(
                        kept,
                        map.get_key_value(&name).map(|(name, _)| name.as_str())
                    );
                }
            }
        }
    }
}

//! A batch on its way to the database: changes in the order of arrival, their values encoded once, row after row.
//!
//! For writing, changes of a table are put into steps that one statement each can do. Within a step every key occurs once,
//! with its last change, so that order inside it does not matter. Where a step cannot hold what comes next (other columns,
//! a truncate) the next round of steps begins. Triggers and rules of a table see each change, unless the settings ask for the
//! last one alone: a round then ends where a key comes again, so that changes of one key are seen in the order of arrival.
//! Those of several keys are seen in the order in which the database works through a statement: that of arrival for INSERT,
//! any for UPDATE and DELETE, which join the rows with the table. Tables that foreign keys tie together are in the same
//! round: what a delete takes along with it came before. Any part of a batch can be arranged on its own; so a row that the
//! database refuses is found by halving.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use crate::config::InsertMode;
use crate::dialect::postgres::statements::{BoundColumn, CopyIntoTable};
use crate::table::{Reaction, TableName};
use crate::wire::Wire;

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Write,
    Delete,
    Truncate,
}

/// Columns of a table that rows bring, and the statements for them.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) table: TableName,
    /// `pg_class.oid` of the table, and of those that its foreign keys refer to.
    pub(crate) oid: i64,
    pub(crate) parents: Vec<i64>,
    pub(crate) reaction: Reaction,
    pub(crate) operation: Operation,
    /// Key columns first.
    pub(crate) columns: Vec<BoundColumn>,
    /// The columns' types with length and precision.
    pub(crate) sql_types: Vec<String>,
    pub(crate) keys: usize,
    /// Whether rows set every column of the table.
    pub(crate) covers_table: bool,
    /// Statement that takes arrays, and behind them `identity`, see [`identified`](crate::dialect::postgres::catalog::identified).
    pub(crate) from_arrays: String,
    pub(crate) identity: i64,
    /// COPY into the table itself, where rows can go there as they are.
    pub(crate) copy: Option<CopyIntoTable>,
    /// Statement that takes the rows of a table of the session, which `{stage}` stands for.
    pub(crate) from_stage: Option<String>,
    /// Columns that the records bring but nobody writes.
    pub(crate) skipped: Vec<String>,
}

impl Shape {
    pub(crate) fn skips(&self, column: &str) -> bool {
        !self.skipped.is_empty() && self.skipped.iter().any(|skipped| skipped == column)
    }
    /// Whether keys of both are equal if, and only if, their bytes are.
    fn has_keys_of(&self, other: &Self) -> bool {
        self.key_columns() == other.key_columns()
    }
    fn key_columns(&self) -> &[BoundColumn] {
        &self.columns[..self.keys]
    }
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.operation == other.operation
            && self.table == other.table
            && self.keys == other.keys
            && self.covers_table == other.covers_table
            && self.reaction == other.reaction
            && self.columns == other.columns
            && self.from_arrays == other.from_arrays
            && self.skipped == other.skipped
    }
}

#[derive(Debug)]
struct Entry {
    start: usize,
    end: usize,
    /// Where the bytes are that keys are compared by: in the row, or behind it.
    key_start: usize,
    key_end: usize,
    /// First bytes of the key, in an order that sorts.
    order: u64,
    shape: usize,
    /// Place in the records that the batch was made of.
    record: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Batch {
    data: Vec<u8>,
    entries: Vec<Entry>,
    shapes: Vec<Arc<Shape>>,
}

/// One statement's work.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) shape: Arc<Shape>,
    pub(crate) rows: Vec<usize>,
}

impl Batch {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
    pub(crate) fn shape(&self, row: usize) -> &Arc<Shape> {
        &self.shapes[self.entries[row].shape]
    }
    pub(crate) fn shapes(&self) -> impl Iterator<Item = &Shape> {
        self.shapes.iter().map(|shape| &**shape)
    }
    pub(crate) fn record(&self, row: usize) -> usize {
        self.entries[row].record
    }
    /// The row's fields, each with its length before it.
    pub(crate) fn row(&self, row: usize) -> &[u8] {
        &self.data[self.entries[row].start..self.entries[row].end]
    }
    /// The fields' contents, `None` for null.
    pub(crate) fn fields(&self, row: usize) -> impl Iterator<Item = Option<&[u8]>> {
        let mut rest = self.row(row);
        std::iter::from_fn(move || {
            let (length, tail) = rest.split_first_chunk::<4>()?;
            let length = usize::try_from(i32::from_be_bytes(*length)).ok();
            let (content, tail) = tail.split_at(length.unwrap_or(0));
            rest = tail;
            Some(length.map(|_| content))
        })
    }

    /// Adds a row; `encode` appends the fields and says where those of the key end.
    ///
    /// # Errors
    /// That of `encode`; the batch is then as before.
    pub(crate) fn push<E>(
        &mut self,
        record: usize,
        shape: &Arc<Shape>,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<usize, E>,
    ) -> Result<(), E> {
        let start = self.data.len();
        let mut key_start = start;
        let mut key_end = match encode(&mut self.data) {
            Ok(key_end) => key_end,
            Err(error) => {
                self.data.truncate(start);
                return Err(error);
            }
        };
        let end = self.data.len();
        let is_numeric = |column: &BoundColumn| column.binding.encoder.wire() == Wire::Numeric;
        if shape.key_columns().iter().any(is_numeric) {
            self.data.extend_from_within(start..key_end);
            (key_start, key_end) = (end, self.data.len());
            forget_scales(&mut self.data[end..], shape.key_columns());
        }
        let known = self
            .shapes
            .iter()
            .rposition(|known| Arc::ptr_eq(known, shape));
        let index = known.unwrap_or_else(|| {
            self.shapes.push(Arc::clone(shape));
            self.shapes.len() - 1
        });
        let order = match shape.columns.first() {
            Some(first) if key_end > key_start + 4 => {
                let key = &self.data[key_start + 4..key_end];
                let mut prefix = [0; 8];
                let length = key.len().min(8);
                prefix[..length].copy_from_slice(&key[..length]);
                let flip = u64::from(first.binding.encoder.wire().is_signed()) << 63;
                u64::from_be_bytes(prefix) ^ flip
            }
            _ => 0,
        };
        self.entries.push(Entry {
            start,
            end,
            key_start,
            key_end,
            order,
            shape: index,
            record,
        });
        Ok(())
    }

    fn key(&self, row: usize) -> &[u8] {
        &self.data[self.entries[row].key_start..self.entries[row].key_end]
    }

    /// Steps for a part of the batch, in the order in which they are to be done.
    pub(crate) fn arrange(&self, part: Range<usize>, rules: Rules) -> Vec<Step> {
        if rules.one_by_one {
            let one = |row| Step {
                shape: Arc::clone(self.shape(row)),
                rows: vec![row],
            };
            return part.map(one).collect();
        }
        let mut rounds: Vec<Vec<Segment>> = Vec::new();
        let groups = groups(&self.shapes);
        // The round that is being filled, by group.
        let mut latest: HashMap<usize, usize> = HashMap::new();
        let mut changed: HashMap<&TableName, Changed<'_>> = HashMap::new();
        for row in part {
            let shape = self.entries[row].shape;
            let table = &self.shapes[shape].table;
            let round = latest.entry(groups[shape]).or_insert(0);
            let each = !rules.reduces && self.shapes[shape].reaction != Reaction::None;
            let by_key = each && self.shapes[shape].keys > 0;
            if by_key
                && let Some(last) = changed
                    .get(table)
                    .and_then(|all| all.last(*round, self.key(row)))
            {
                if last == shape && self.shapes[shape].operation == Operation::Delete {
                    // A delete and its tombstone: the row is gone already.
                    continue;
                }
                *round += 1;
            }
            loop {
                if rounds.len() <= *round {
                    rounds.push(Vec::new());
                }
                let segments = &mut rounds[*round];
                let place = segments
                    .iter()
                    .position(|segment| self.shapes[segment.any_shape()].table == *table)
                    .unwrap_or_else(|| {
                        segments.push(Segment::default());
                        segments.len() - 1
                    });
                if segments[place].takes(shape, each, &self.shapes) {
                    segments[place].rows.push(row);
                    break;
                }
                *round += 1;
            }
            if by_key {
                let changed = changed.entry(table).or_default();
                changed.add(*round, self.key(row), shape);
            }
        }
        rounds
            .into_iter()
            .flat_map(|segments| self.steps(segments, rules))
            .collect()
    }

    /// Deletes first, so that what was unique is free again. Children are deleted before their parents and written after
    /// them; other tables are in the order of their first row.
    fn steps(&self, segments: Vec<Segment>, rules: Rules) -> Vec<Step> {
        let mut deletes = Vec::new();
        let mut writes = Vec::new();
        for segment in segments {
            let Segment {
                write,
                delete,
                truncate,
                in_order,
                mut rows,
            } = segment;
            let step = |shape: Option<usize>, rows: Vec<usize>| {
                shape.filter(|_| !rows.is_empty()).map(|shape| Step {
                    shape: Arc::clone(&self.shapes[shape]),
                    rows,
                })
            };
            if truncate.is_some() {
                deletes.extend(step(truncate, rows));
                continue;
            }
            let keys = write.or(delete).map_or(0, |shape| self.shapes[shape].keys);
            if (keys == 0 || in_order) && delete.is_none() {
                writes.extend(step(write, rows));
                continue;
            }
            if in_order {
                deletes.extend(step(delete, rows));
                continue;
            }
            rows.sort_by(|a, b| {
                let order = self.entries[*a].order.cmp(&self.entries[*b].order);
                order.then_with(|| self.key(*a).cmp(self.key(*b)))
            });
            let (mut deleted, mut written) = (Vec::new(), Vec::with_capacity(rows.len()));
            for same_key in rows.chunk_by(|a, b| {
                self.entries[*a].order == self.entries[*b].order && self.key(*a) == self.key(*b)
            }) {
                self.reduce(same_key, rules, &mut deleted, &mut written);
            }
            deletes.extend(step(delete, deleted));
            writes.extend(step(write, written));
        }
        let shapes: Vec<&Shape> = deletes
            .iter()
            .chain(&writes)
            .map(|step| &*step.shape)
            .collect();
        if let Some(depths) = depths(&shapes) {
            let depth = |step: &Step| depths.get(&step.shape.oid).copied().unwrap_or(0);
            deletes.sort_by_key(|step| Reverse(depth(step)));
            writes.sort_by_key(depth);
        }
        deletes.append(&mut writes);
        deletes
    }

    /// What remains of changes of one key, which are in the order of arrival.
    fn reduce(
        &self,
        changes: &[usize],
        rules: Rules,
        deleted: &mut Vec<usize>,
        written: &mut Vec<usize>,
    ) {
        let is_delete = |row: usize| self.shape(row).operation == Operation::Delete;
        let last_delete = changes.iter().rposition(|row| is_delete(*row));
        let after = last_delete.map_or(changes, |last| &changes[last + 1..]);
        let delete = last_delete.map(|last| changes[last]);
        match rules.mode {
            // What was deleted in between is not there to be updated.
            InsertMode::Update if delete.is_some() => deleted.extend(delete),
            InsertMode::Insert => {
                deleted.extend(delete);
                let from = if rules.reduces {
                    after.len().saturating_sub(1)
                } else {
                    0
                };
                written.extend_from_slice(&after[from..]);
            }
            _ => match after.last() {
                Some(last) => {
                    // Columns that the row does not bring must not keep what was there before the delete.
                    deleted.extend(delete.filter(|_| !self.shape(*last).covers_table));
                    written.push(*last);
                }
                None => deleted.extend(delete),
            },
        }
    }
}

/// The keys that a table's steps of one round change, and the shape of each one's change.
#[derive(Debug, Default)]
struct Changed<'a> {
    round: usize,
    keys: HashMap<&'a [u8], usize>,
}

impl<'a> Changed<'a> {
    fn last(&self, round: usize, key: &[u8]) -> Option<usize> {
        let shape = self.keys.get(key).copied();
        shape.filter(|_| self.round == round)
    }
    fn add(&mut self, round: usize, key: &'a [u8], shape: usize) {
        if self.round != round {
            self.round = round;
            self.keys.clear();
        }
        self.keys.insert(key, shape);
    }
}

/// A number for each shape, the same for tables that foreign keys tie together, also through further ones of the batch.
fn groups(shapes: &[Arc<Shape>]) -> Vec<usize> {
    let mut groups: HashMap<i64, usize> = HashMap::new();
    for (index, shape) in shapes.iter().enumerate() {
        groups.entry(shape.oid).or_insert(index);
    }
    for shape in shapes {
        for parent in &shape.parents {
            let (child, parent) = (groups.get(&shape.oid), groups.get(parent));
            if let (Some(&child), Some(&parent)) = (child, parent)
                && child != parent
            {
                let of_parent = groups.values_mut().filter(|group| **group == parent);
                of_parent.for_each(|group| *group = child);
            }
        }
    }
    shapes.iter().map(|shape| groups[&shape.oid]).collect()
}

/// How far tables are from those that refer to none of them, by `pg_class.oid`; `None` if no table refers to another.
/// Tables that refer to each other in a circle have some depth.
fn depths(shapes: &[&Shape]) -> Option<HashMap<i64, usize>> {
    fn parents(shape: &Shape) -> impl Iterator<Item = i64> {
        let all = shape.parents.iter().copied();
        all.filter(|parent| *parent != shape.oid)
    }
    let oids: HashSet<i64> = shapes.iter().map(|shape| shape.oid).collect();
    if !shapes
        .iter()
        .any(|shape| parents(shape).any(|parent| oids.contains(&parent)))
    {
        return None;
    }
    let mut depths: HashMap<i64, usize> = oids.iter().map(|oid| (*oid, 0)).collect();
    // The longest way has as many steps as there are tables.
    for _ in 0..oids.len() {
        let mut has_changed = false;
        for shape in shapes {
            let above = parents(shape).filter_map(|parent| depths.get(&parent).copied());
            let depth = above.max().map_or(0, |above| above + 1).min(oids.len());
            has_changed |= depths.insert(shape.oid, depth) != Some(depth);
        }
        if !has_changed {
            break;
        }
    }
    Some(depths)
}

/// What decides how changes are put together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) mode: InsertMode,
    /// To the last change of each key, see [`Settings`](crate::config::Settings).
    pub(crate) reduces: bool,
    /// A statement for each row, and these in the order of arrival.
    pub(crate) one_by_one: bool,
}

#[derive(Debug, Default)]
struct Segment {
    write: Option<usize>,
    delete: Option<usize>,
    truncate: Option<usize>,
    /// Changes of one kind, each with a key of its own, handed to the database as they came.
    in_order: bool,
    rows: Vec<usize>,
}

impl Segment {
    fn any_shape(&self) -> usize {
        self.write.or(self.delete).or(self.truncate).unwrap_or(0)
    }

    /// Takes a row of this shape, unless it has to wait for what is here: order within a segment is that of its keys,
    /// and keys of another form cannot be compared. `each` is whether every change of a key is to be done, one after the other.
    fn takes(&mut self, shape: usize, each: bool, shapes: &[Arc<Shape>]) -> bool {
        let (slot, other) = match shapes[shape].operation {
            Operation::Write => (&mut self.write, self.delete),
            Operation::Delete => (&mut self.delete, self.write),
            Operation::Truncate => {
                let empty = self.rows.is_empty();
                if empty {
                    self.truncate = Some(shape);
                }
                return empty;
            }
        };
        let fits = match *slot {
            Some(known) => known == shape,
            None => {
                self.truncate.is_none()
                    && other.is_none_or(|other| !each && shapes[other].has_keys_of(&shapes[shape]))
            }
        };
        if fits {
            *slot = Some(shape);
            self.in_order = each;
        }
        fits
    }
}

/// Numbers are equal whatever number of digits they are to be shown with.
fn forget_scales(key: &mut [u8], columns: &[BoundColumn]) {
    let mut rest = key;
    for column in columns {
        let Some((length, tail)) = rest.split_first_chunk_mut::<4>() else {
            return;
        };
        let length = usize::try_from(i32::from_be_bytes(*length)).unwrap_or(0);
        let Some((content, behind)) = tail.split_at_mut_checked(length) else {
            return;
        };
        if column.binding.encoder.wire() == Wire::Numeric
            && let Some(scale) = content.get_mut(6..8)
        {
            scale.fill(0);
        }
        rest = behind;
    }
}

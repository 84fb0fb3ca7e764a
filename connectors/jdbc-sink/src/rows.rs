//! A batch on its way to the database: per table, runs of changes that one statement each can write.
//!
//! Within a run every key occurs once, with its last change, so that order inside it does not matter. Where a run cannot
//! hold what comes next (other columns, a truncate, rows without key between deletes) a new one begins.

use std::collections::HashMap;
use std::sync::Arc;

use tidegate_api::SinkRecord;

use crate::config::{InsertMode, Settings};
use crate::keys;
use crate::plan::{Change, Plan};
use crate::table::TableName;

/// Changes of one table that are written together: first the deletes, then the rows.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) table: TableName,
    pub(crate) deletes: Option<(Arc<Plan>, Vec<usize>)>,
    pub(crate) writes: Option<(Arc<Plan>, Vec<usize>)>,
    pub(crate) truncate: bool,
}

/// Records of a batch as runs, in the order in which they are to be written. Numbers are places in the batch.
pub(crate) fn arrange(
    records: &[SinkRecord],
    plans: &[Option<(Arc<Plan>, Change)>],
    settings: &Settings,
) -> Vec<Run> {
    let mut open: HashMap<&TableName, OpenRun> = HashMap::new();
    let mut order: Vec<&TableName> = Vec::new();
    let mut finished: Vec<Run> = Vec::new();
    for (index, planned) in plans.iter().enumerate() {
        let Some((plan, change)) = planned else {
            continue;
        };
        if *change == Change::Skip {
            continue;
        }
        let run = open.entry(&plan.table).or_insert_with(|| {
            order.push(&plan.table);
            OpenRun::default()
        });
        if *change == Change::Truncate {
            finished.extend(std::mem::take(run).finish(&plan.table));
            finished.push(Run {
                table: plan.table.clone(),
                deletes: None,
                writes: None,
                truncate: true,
            });
            continue;
        }
        if !run.takes(plan, *change, settings) {
            finished.extend(std::mem::take(run).finish(&plan.table));
        }
        run.add(index, &records[index], plan, *change, settings);
    }
    for table in order {
        if let Some(run) = open.remove(table) {
            finished.extend(run.finish(table));
        }
    }
    finished
}

#[derive(Debug, Default)]
struct OpenRun {
    delete_plan: Option<Arc<Plan>>,
    write_plan: Option<Arc<Plan>>,
    slots: Vec<Option<(usize, Change)>>,
    by_key: HashMap<Vec<u8>, usize>,
    deleted_before: bool,
}

/// Plans that write the same columns can share a statement.
fn same_columns(a: &Plan, b: &Plan) -> bool {
    std::ptr::eq(a, b)
        || (a.keys == b.keys
            && a.columns.len() == b.columns.len()
            && a.columns.iter().zip(&b.columns).all(|(a, b)| {
                a.name == b.name && a.form == b.form && a.meaning == b.meaning && a.place == b.place
            }))
}

impl OpenRun {
    fn takes(&self, plan: &Arc<Plan>, change: Change, settings: &Settings) -> bool {
        if self.slots.len() >= settings.batch_size.max(1) * LARGEST_RUN {
            return false;
        }
        match change {
            Change::Delete => {
                let same = self.delete_plan.as_ref().is_none_or(|known| {
                    known.keys == plan.keys
                        && known
                            .key_columns()
                            .iter()
                            .zip(plan.key_columns())
                            .all(|(a, b)| a.name == b.name && a.form == b.form)
                });
                // Rows of insert mode are kept one by one; a delete must not overtake them.
                same && (settings.insert_mode != InsertMode::Insert || self.write_plan.is_none())
            }
            _ => self
                .write_plan
                .as_ref()
                .is_none_or(|known| same_columns(known, plan)),
        }
    }

    fn add(
        &mut self,
        index: usize,
        record: &SinkRecord,
        plan: &Arc<Plan>,
        change: Change,
        settings: &Settings,
    ) {
        let target = if change == Change::Delete {
            &mut self.delete_plan
        } else {
            &mut self.write_plan
        };
        target.get_or_insert_with(|| Arc::clone(plan));
        self.deleted_before |= change == Change::Delete;
        let slot = self.slots.len();
        let reduces = plan.keys > 0
            && (settings.insert_mode != InsertMode::Insert || change == Change::Delete);
        if reduces {
            let mut key = Vec::with_capacity(16);
            for column in plan.key_columns() {
                keys::push(
                    &mut key,
                    &plan.value(column, record, settings.replace_null_with_default),
                );
            }
            if let Some(before) = self.by_key.insert(key, slot) {
                self.slots[before] = None;
            }
        }
        self.slots.push(Some((index, change)));
    }

    fn finish(self, table: &TableName) -> Option<Run> {
        let of = |wanted: Change| -> Vec<usize> {
            self.slots
                .iter()
                .flatten()
                .filter(|(_, change)| *change == wanted)
                .map(|(index, _)| *index)
                .collect()
        };
        let (deletes, writes) = (of(Change::Delete), of(Change::Write));
        if deletes.is_empty() && writes.is_empty() {
            return None;
        }
        Some(Run {
            table: table.clone(),
            deletes: self
                .delete_plan
                .filter(|_| !deletes.is_empty())
                .map(|plan| (plan, deletes)),
            writes: self
                .write_plan
                .filter(|_| !writes.is_empty())
                .map(|plan| (plan, writes)),
            truncate: false,
        })
    }
}

/// Runs hold at most this many times `batch.size`; statements are cut to `batch.size` rows at least 2000.
const LARGEST_RUN: usize = 16;

//! A table of the shop, whose rows come, change, get another e-mail, leave and come back.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rand::Rng;
use rand::rngs::StdRng;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// The e-mail, by its number; numbers grow.
    mail: u64,
    /// NULL now and then. No destination takes one that begins with `?`.
    name: Option<String>,
    score: i64,
    /// Greater than that of any earlier state of any row.
    rev: i64,
}

impl Row {
    pub(super) fn email(&self) -> String {
        format!("p{}@shop.example", self.mail)
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    pub(super) fn score(&self) -> i64 {
        self.score
    }

    pub(super) fn rev(&self) -> i64 {
        self.rev
    }

    /// What the destination has once it has everything, by field.
    pub(super) fn expected(&self, id: i64) -> BTreeMap<String, String> {
        let mut fields = BTreeMap::from([
            ("email".to_owned(), self.email()),
            ("customer".to_owned(), id.to_string()),
            ("score".to_owned(), self.score.to_string()),
            ("rev".to_owned(), self.rev.to_string()),
        ]);
        if let Some(name) = &self.name {
            fields.insert("name".to_owned(), name.clone());
        }
        fields
    }
}

/// See the module.
#[derive(Default)]
pub(super) struct Table {
    pub(super) rows: BTreeMap<i64, Row>,
    /// Rows that left and may come back.
    pub(super) gone: BTreeMap<i64, Row>,
    /// Whether what left is removed at the destination, so that its e-mails are free again.
    mirrored: bool,
    /// Rows of which the daemon may not know yet whether they arrived. These keep their e-mail and stay: who
    /// is created, gets no answer, and has another e-mail or is gone when the next run looks, leaves a record
    /// behind that nobody knows.
    coming: BTreeSet<i64>,
    /// E-mails that somebody gave up lately.
    given_up: VecDeque<u64>,
    ids: i64,
    mails: u64,
    revs: i64,
    /// The rows as last read to the end.
    pub(super) read: BTreeMap<i64, Row>,
    /// Whether somebody is reading it.
    pub(super) busy: bool,
}

const FEWEST: usize = 12;
const MOST: usize = 40;
const LATELY: usize = 6;

impl Table {
    /// A table with some rows.
    pub(super) fn new(random: &mut StdRng, mirrored: bool) -> Self {
        let mut table = Self {
            mirrored,
            ..Self::default()
        };
        for _ in 0..24 {
            table.add(random);
        }
        table
    }

    /// Something happens to one row; `there` has the e-mails of records by their row.
    pub(super) fn change(&mut self, random: &mut StdRng, there: &BTreeMap<i64, String>) {
        match random.random_range(0..10) {
            0 | 1 if self.rows.len() < MOST => self.add(random),
            2 if self.rows.len() > FEWEST => {
                let may =
                    |id: &i64| self.mirrored || there.get(id) == self.rows.get(id).map(Row::email).as_ref();
                if let Some(id) = self.arrived(random).filter(may) {
                    self.leave(id);
                }
            }
            3 if self.rows.len() < MOST => self.back(random),
            4 | 5 => self.rename(random),
            _ => self.edit(random),
        }
    }

    /// A run ended that left nothing in doubt: what it read has arrived, or was refused.
    pub(super) fn settled(&mut self) {
        let read = &self.read;
        self.coming.retain(|id| !read.contains_key(id));
    }

    fn arrived(&self, random: &mut StdRng) -> Option<i64> {
        pick(&self.rows, random).filter(|id| !self.coming.contains(id))
    }

    /// The data's owner corrects what is wrong.
    pub(super) fn correct(&mut self) {
        let wrong: Vec<i64> = self
            .rows
            .iter()
            .filter(|(_, row)| row.name.as_ref().is_some_and(|name| name.starts_with('?')))
            .map(|(id, _)| *id)
            .collect();
        for id in wrong {
            let rev = self.next_rev();
            if let Some(row) = self.rows.get_mut(&id) {
                row.name = Some("corrected".into());
                row.rev = rev;
            }
        }
    }

    fn next_rev(&mut self) -> i64 {
        self.revs += 1;
        self.revs
    }

    fn add(&mut self, random: &mut StdRng) {
        self.ids += 1;
        let row = Row {
            mail: self.free_mail(0, random),
            name: name(random),
            score: random.random_range(0..1_000),
            rev: self.next_rev(),
        };
        self.coming.insert(self.ids);
        self.rows.insert(self.ids, row);
    }

    fn back(&mut self, random: &mut StdRng) {
        let Some(id) = pick(&self.gone, random) else {
            return;
        };
        let Some(mut row) = self.gone.remove(&id) else {
            return;
        };
        if self.rows.values().any(|other| other.mail == row.mail) {
            self.mails += 1;
            row.mail = self.mails;
        }
        row.rev = self.next_rev();
        self.coming.insert(id);
        self.rows.insert(id, row);
    }

    fn rename(&mut self, random: &mut StdRng) {
        let Some(id) = self.arrived(random) else {
            return;
        };
        let own = self.rows.get(&id).map_or(0, |row| row.mail);
        let mail = self.free_mail(own, random);
        let rev = self.next_rev();
        if let Some(row) = self.rows.get(&id).cloned() {
            self.give_up(row.mail);
            self.rows.insert(id, Row { mail, rev, ..row });
        }
    }

    fn edit(&mut self, random: &mut StdRng) {
        let Some(id) = pick(&self.rows, random) else {
            return;
        };
        let rev = self.next_rev();
        if let Some(row) = self.rows.get_mut(&id) {
            row.rev = rev;
            if random.random_bool(0.5) {
                row.name = name(random);
            } else {
                row.score = random.random_range(0..1_000);
            }
        }
    }

    /// An e-mail nobody has: a new one, or one that somebody gave up lately and that has a greater number
    /// than `own`. So no rows ever exchange theirs, which a destination with unique e-mails cannot do.
    fn free_mail(&mut self, own: u64, random: &mut StdRng) -> u64 {
        let has = |rows: &BTreeMap<i64, Row>, mail| rows.values().any(|row| row.mail == mail);
        let taken = |mail: &u64| has(&self.rows, *mail) || !self.mirrored && has(&self.gone, *mail);
        let free: Vec<u64> = self
            .given_up
            .iter()
            .copied()
            .filter(|mail| *mail > own && !taken(mail))
            .collect();
        if !free.is_empty() && random.random_bool(0.6) {
            return free[random.random_range(0..free.len())];
        }
        self.mails += 1;
        self.mails
    }

    fn give_up(&mut self, mail: u64) {
        self.given_up.push_back(mail);
        if self.given_up.len() > LATELY {
            self.given_up.pop_front();
        }
    }

    /// A row leaves. Where its record stays, it does so only once it has its latest e-mail there.
    fn leave(&mut self, id: i64) {
        let Some(row) = self.rows.remove(&id) else { return };
        if self.mirrored {
            self.give_up(row.mail);
        }
        self.gone.insert(id, row);
    }
}

fn pick(rows: &BTreeMap<i64, Row>, random: &mut StdRng) -> Option<i64> {
    let at = random.random_range(0..rows.len().max(1));
    rows.keys().nth(at).copied()
}

fn name(random: &mut StdRng) -> Option<String> {
    match random.random_range(0..40) {
        0 | 1 => None,
        2 => Some("?".to_owned() + &random.random_range(0..9).to_string()),
        _ => Some(format!("name {}", random.random_range(0..500))),
    }
}

//! Map: columns of the model become destination fields.
//!
//! A [`Mapping`] is compiled once per read against the model's schema. It gives, for a whole batch,
//! each row's key hash and print without building a single value, and, for the few rows that need
//! it, the row's [`Record`].

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Schema};
use compact_str::CompactString;
use jiff::fmt::StdFmtWrite;
use outflow_project::{FieldMapping, FieldSource, NullPolicy, SyncSpec};
use outflow_sdk::destination::{FieldType, MappedField};
use outflow_sdk::keys::KeyKind;
use outflow_sdk::print::{KeyHash, Print, Printer, add_field, bind_to_key};
use outflow_sdk::value::{Decimal, Value};
use serde::{Deserialize, Serialize};

use super::columns::{self, ColumnMatch};
use super::packed::{self, PackedValues};
use super::spill::SpillError;
use outflow_sdk::cast::{Cast, cast};

/// A mapping that does not fit the model's columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnProblem {
    /// Where in the mapping: `key`, or `fields.NAME`.
    pub path: String,
    /// Stable code.
    pub code: &'static str,
    /// Our words.
    pub message: String,
    /// A column that may have been meant.
    pub hint: Option<String>,
}

/// A row with its values, as it will be compared and sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Hash of the key.
    #[serde(with = "postcard::fixint::le")]
    pub key: KeyHash,
    /// The key as people write it; parts joined by `/`.
    pub key_text: CompactString,
    /// The row's print, bound to the key.
    #[serde(with = "postcard::fixint::le")]
    pub print: Print,
    /// One value per mapped field; `None` = leave the destination as it is.
    pub values: PackedValues,
    /// The print of each value; `0` = leave the destination as it is.
    #[serde(with = "packed::prints")]
    pub prints: Vec<Print>,
    /// Why the row cannot be sent: a code, a field number, our words.
    pub fault: Option<Fault>,
}

/// Where records are made, one after the other: what one needs while it is made, the next one takes over.
#[derive(Debug, Default)]
pub struct Room {
    values: Vec<Option<Value>>,
    bytes: Vec<u8>,
    record: Record,
}

/// Why a row cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Stable code.
    pub code: String,
    /// Number of the field.
    pub field: u16,
    /// Our words, without the value.
    pub message: String,
}

/// Keys and prints of batches, row by row.
#[derive(Debug, Default)]
pub struct BatchPrints {
    /// Key hashes; `None` where a part of the key is NULL.
    pub keys: Vec<Option<KeyHash>>,
    /// Row prints, bound to the key.
    pub prints: Vec<Print>,
}

impl BatchPrints {
    /// Forgets the rows and keeps the room.
    pub fn clear(&mut self) {
        self.keys.clear();
        self.prints.clear();
    }
}

enum Reader {
    Column {
        at: usize,
        cast: Option<(Cast, Option<u8>)>,
    },
    Template {
        name: String,
        columns: Vec<(String, usize)>,
    },
    Constant(Value),
}

struct MappedColumn {
    field: String,
    id: u64,
    reader: Reader,
    null: NullPolicy,
}

/// A mapping compiled against a schema.
pub struct Mapping {
    key: Vec<usize>,
    fields: Vec<MappedColumn>,
    printer: Printer,
    templates: minijinja::Environment<'static>,
}

impl Mapping {
    /// Compiles a sync's mapping.
    ///
    /// # Errors
    /// Every column that is missing or ambiguous.
    pub fn compile(sync: &SyncSpec, schema: &Schema, printer: Printer) -> Result<Self, Vec<ColumnProblem>> {
        let mut problems = Vec::new();
        let mut find = |path: String, name: &str| match columns::find_column(schema, name) {
            ColumnMatch::At(index) => index,
            other => {
                problems.push(column_problem(path, name, other, schema));
                0
            }
        };
        let key = sync.key.iter().map(|name| find("key".into(), name)).collect();
        let mut templates = minijinja::Environment::new();
        templates.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
        let mut fields = Vec::with_capacity(sync.fields.len());
        for mapping in &sync.fields {
            let path = format!("fields.{}", mapping.field);
            let reader = match &mapping.source {
                FieldSource::Column(name) => Reader::Column {
                    at: find(path, name),
                    cast: mapping.cast.map(|to| (to, mapping.scale)),
                },
                FieldSource::Constant(value) => Reader::Constant(value.clone()),
                FieldSource::Template { text, columns } => {
                    let columns = columns
                        .iter()
                        .map(|name| (name.clone(), find(path.clone(), name)))
                        .collect();
                    // The project loader has parsed it before; a failure here would show as missing output.
                    let _ = templates.add_template_owned(mapping.field.clone(), text.clone());
                    Reader::Template {
                        name: mapping.field.clone(),
                        columns,
                    }
                }
            };
            fields.push(MappedColumn {
                field: mapping.field.clone(),
                id: printer.field(&print_name(&mapping.field, mapping.null)),
                reader,
                null: mapping.null,
            });
        }
        if problems.is_empty() {
            Ok(Self {
                key,
                fields,
                printer,
                templates,
            })
        } else {
            Err(problems)
        }
    }

    /// Every column a sync reads, without repeats, in mapping order.
    pub fn columns_of(sync: &SyncSpec) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let mut add = |name: &str| {
            if !names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                names.push(name.to_owned());
            }
        };
        sync.key.iter().for_each(|name| add(name));
        for mapping in &sync.fields {
            match &mapping.source {
                FieldSource::Column(name) => add(name),
                FieldSource::Template { columns, .. } => columns.iter().for_each(|name| add(name)),
                FieldSource::Constant(_) => {}
            }
        }
        names
    }

    /// The mapped fields with the types their values will have, for the destination to check.
    pub fn fields_of(sync: &SyncSpec, schema: Option<&Schema>) -> Vec<MappedField> {
        sync.fields
            .iter()
            .map(|mapping| MappedField {
                name: mapping.field.clone(),
                value_type: value_type(mapping, schema),
            })
            .collect()
    }

    /// Adds the keys and prints of every row of a batch.
    pub fn prints(&self, batch: &RecordBatch, out: &mut BatchPrints) {
        let from = out.prints.len();
        out.prints.resize(from + batch.num_rows(), 0);
        self.keys(batch, &mut out.keys);
        let (prints, keys) = (&mut out.prints[from..], &out.keys[from..]);
        let mut scratch = Vec::new();
        for field in &self.fields {
            match &field.reader {
                Reader::Column { at, cast: None } => {
                    let (array, json) = columns::column(batch, *at);
                    columns::add_column(array, json, self.printer, field.id, prints);
                }
                Reader::Constant(value) => {
                    let print = self.printer.value(value, &mut scratch);
                    prints
                        .iter_mut()
                        .for_each(|row| *row = add_field(*row, field.id, print));
                }
                _ => {
                    for (row, print) in prints.iter_mut().enumerate() {
                        let own = match self.read(field, batch, row) {
                            Ok(value) => self.printer.value(&value, &mut scratch),
                            Err(_) => self.print_of_inputs(field, batch, row, &mut scratch),
                        };
                        *print = add_field(*print, field.id, own);
                    }
                }
            }
        }
        for (print, key) in prints.iter_mut().zip(keys) {
            // 0 is the print of a row that is not acknowledged whole.
            *print = bind_to_key(*print, key.unwrap_or_default()).max(1);
        }
    }

    /// Has the memory bring the cells of some rows, whose records are asked for next.
    pub fn send_for(&self, batch: &RecordBatch, rows: &[(usize, KeyHash, Print)]) {
        let columns = || {
            self.fields.iter().filter_map(|field| match &field.reader {
                Reader::Column { at, .. } => Some(batch.column(*at).as_ref()),
                _ => None,
            })
        };
        let rows = || rows.iter().map(|(row, ..)| *row);
        columns().for_each(|column| columns::send_for(column, rows()));
        columns().for_each(|column| columns::send_for_texts(column, rows()));
    }

    /// One row with its values.
    ///
    /// # Errors
    /// When the values cannot be packed.
    pub fn record<'r>(
        &self,
        batch: &RecordBatch,
        row: usize,
        key: KeyHash,
        print: Print,
        room: &'r mut Room,
    ) -> Result<&'r Record, SpillError> {
        let Room {
            values,
            bytes,
            record,
        } = room;
        let mut fault = None;
        values.clear();
        values.extend(self.fields.iter().zip(0u16..).map(
            |(field, number)| match self.read(field, batch, row) {
                Ok(Value::Null) => match field.null {
                    NullPolicy::Clear => Some(Value::Null),
                    NullPolicy::Keep => None,
                    NullPolicy::Fail => {
                        fault.get_or_insert_with(|| null_fault(field, number));
                        None
                    }
                },
                Ok(value) => Some(value),
                Err(reason) => {
                    let message = format!("the value for {} {reason}", field.field);
                    fault.get_or_insert(Fault {
                        code: "cannot_cast".into(),
                        field: number,
                        message,
                    });
                    None
                }
            },
        ));
        record.key = key;
        record.key_text = self.key_text(batch, row);
        record.print = print;
        record.values.repack(values)?;
        record.prints.clear();
        record.prints.extend(value_prints(self.printer, values, bytes));
        record.fault = fault;
        Ok(record)
    }

    /// The key of a row as people write it.
    pub fn key_text(&self, batch: &RecordBatch, row: usize) -> CompactString {
        let mut text = CompactString::default();
        for (place, at) in self.key.iter().enumerate() {
            if place > 0 {
                text.push('/');
            }
            let (array, json) = columns::column(batch, *at);
            if let Ok(value) = columns::value_at(array, row, json) {
                // Memory takes whatever it is given.
                let _ = value.write_to(StdFmtWrite(&mut text));
            }
        }
        text
    }

    /// What the key's columns hold, for keys that come from outside.
    ///
    /// # Errors
    /// The columns whose values nobody can ask for.
    pub(super) fn key_kinds(&self, schema: &Schema) -> Result<Vec<KeyKind>, Vec<ColumnProblem>> {
        let kinds = self.key.iter().map(|&at| {
            let field = schema.field(at);
            let kind = KeyKind::of(field.data_type()).filter(|_| !columns::is_json(field));
            kind.ok_or_else(|| ColumnProblem {
                path: "key".into(),
                code: "key_type",
                message: format!(
                    "rows cannot be asked for by {}, whose type is {}",
                    field.name(),
                    field.data_type()
                ),
                hint: Some("turn it into text or a whole number in the model".into()),
            })
        });
        let (kinds, problems): (Vec<_>, Vec<_>) = kinds.partition(Result::is_ok);
        if problems.is_empty() {
            Ok(kinds.into_iter().flatten().collect())
        } else {
            Err(problems.into_iter().filter_map(Result::err).collect())
        }
    }

    /// The key of every row; none where a part of it is NULL.
    pub(super) fn keys(&self, batch: &RecordBatch, keys: &mut Vec<Option<KeyHash>>) {
        use arrow_array::Array;
        use arrow_array::cast::AsArray;
        use arrow_array::types::Int64Type;

        let mut scratch = Vec::new();
        if let [at] = self.key[..] {
            let (array, json) = columns::column(batch, at);
            let printer = self.printer;
            let mut text = |value: &str| printer.text_key(value, &mut scratch);
            match array.data_type() {
                DataType::Int64 => {
                    let array = array.as_primitive::<Int64Type>();
                    if array.null_count() == 0 {
                        let values = array.values().iter();
                        return keys.extend(values.map(|key| Some(printer.integer_key((*key).into()))));
                    }
                    return keys.extend(
                        array
                            .iter()
                            .map(|key| key.map(|key| printer.integer_key(key.into()))),
                    );
                }
                DataType::Utf8 if !json => {
                    return keys.extend(array.as_string::<i32>().iter().map(|key| key.map(&mut text)));
                }
                DataType::Utf8View if !json => {
                    return keys.extend(array.as_string_view().iter().map(|key| key.map(&mut text)));
                }
                _ => {}
            }
        }
        keys.extend((0..batch.num_rows()).map(|row| {
            let mut parts = Vec::with_capacity(self.key.len());
            for &at in &self.key {
                let (array, json) = columns::column(batch, at);
                match columns::value_at(array, row, json) {
                    Ok(Value::Null) | Err(_) => return None,
                    Ok(value) => parts.push(value),
                }
            }
            Some(self.printer.key(&parts, &mut scratch))
        }));
    }

    fn read(&self, field: &MappedColumn, batch: &RecordBatch, row: usize) -> Result<Value, &'static str> {
        match &field.reader {
            Reader::Constant(value) => Ok(value.clone()),
            Reader::Column { at, cast: to } => {
                let (array, json) = columns::column(batch, *at);
                let value = columns::value_at(array, row, json)?;
                match to {
                    Some((to, scale)) => cast(value, *to, *scale),
                    None => Ok(value),
                }
            }
            Reader::Template {
                name,
                columns: inputs,
            } => {
                let mut context = std::collections::BTreeMap::new();
                for (column, at) in inputs {
                    let (array, json) = columns::column(batch, *at);
                    context.insert(
                        column.as_str(),
                        template_value(&columns::value_at(array, row, json)?),
                    );
                }
                let template = self
                    .templates
                    .get_template(name)
                    .map_err(|_| "has a template that cannot be read")?;
                let text = template
                    .render(context)
                    .map_err(|_| "cannot be made from its template")?;
                let text = text.trim();
                Ok(if text.is_empty() {
                    Value::Null
                } else {
                    Value::text(text)
                })
            }
        }
    }

    /// A print for a field that has no value, from what it is made of: it changes when they do.
    fn print_of_inputs(
        &self,
        field: &MappedColumn,
        batch: &RecordBatch,
        row: usize,
        scratch: &mut Vec<u8>,
    ) -> Print {
        let inputs: Vec<usize> = match &field.reader {
            Reader::Column { at, .. } => vec![*at],
            Reader::Template { columns, .. } => columns.iter().map(|(_, at)| *at).collect(),
            Reader::Constant(_) => Vec::new(),
        };
        inputs
            .into_iter()
            .fold(self.printer.field("\u{0}broken"), |print, at| {
                let (array, json) = columns::column(batch, at);
                let own = columns::value_at(array, row, json)
                    .map_or(1, |value| self.printer.value(&value, scratch));
                add_field(print, at as u64, own)
            })
    }
}

/// The print of each value, `0` where the destination is left as it is.
pub(super) fn value_prints(
    printer: Printer,
    values: &[Option<Value>],
    buffer: &mut Vec<u8>,
) -> impl Iterator<Item = Print> {
    values.iter().map(move |value| {
        value
            .as_ref()
            .map_or(0, |value| printer.value(value, buffer).max(1))
    })
}

/// What a field's part in the row's print is told apart by. A row is looked at again when what NULL
/// means for it has changed.
fn print_name(field: &str, null: NullPolicy) -> String {
    match null {
        NullPolicy::Clear => field.to_owned(),
        NullPolicy::Keep => format!("{field}\u{0}keep"),
        NullPolicy::Fail => format!("{field}\u{0}fail"),
    }
}

fn template_value(value: &Value) -> minijinja::Value {
    match value {
        Value::Null => minijinja::Value::from(""),
        Value::Bool(flag) => minijinja::Value::from(*flag),
        Value::Number(Decimal::Small { unscaled, scale: 0 }) => i64::try_from(*unscaled).map_or_else(
            |_| minijinja::Value::from(unscaled.to_string()),
            minijinja::Value::from,
        ),
        other => minijinja::Value::from(other.to_string()),
    }
}

fn null_fault(field: &MappedColumn, number: u16) -> Fault {
    Fault {
        code: "null_value".into(),
        field: number,
        message: format!("{} is NULL and its mapping says `null: fail`", field.field),
    }
}

fn column_problem(path: String, name: &str, found: ColumnMatch, schema: &Schema) -> ColumnProblem {
    if found == ColumnMatch::Ambiguous {
        let message = format!("the model has several columns named {name} that differ in case only");
        return ColumnProblem {
            path,
            code: "ambiguous_column",
            message,
            hint: Some("rename one in the model".into()),
        };
    }
    let nearest = schema
        .fields()
        .iter()
        .map(|field| {
            (
                strsim::jaro_winkler(&field.name().to_lowercase(), &name.to_lowercase()),
                field.name(),
            )
        })
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(score, _)| *score > 0.75);
    let hint = match nearest {
        Some((_, nearest)) => format!("did you mean {nearest}?"),
        None => {
            let names: Vec<&str> = schema
                .fields()
                .iter()
                .map(|field| field.name().as_str())
                .collect();
            format!("the model has {}", names.join(", "))
        }
    };
    ColumnProblem {
        path,
        code: "missing_column",
        message: format!("the model has no column {name}"),
        hint: Some(hint),
    }
}

fn value_type(mapping: &FieldMapping, schema: Option<&Schema>) -> Option<FieldType> {
    match mapping.cast {
        Some(Cast::Text | Cast::Json) => return Some(FieldType::Text),
        Some(Cast::Integer | Cast::Number) => return Some(FieldType::Number),
        Some(Cast::Boolean) => return Some(FieldType::Bool),
        Some(Cast::Date) => return Some(FieldType::Date),
        Some(Cast::Timestamp) => return Some(FieldType::Timestamp),
        Some(Cast::List) => return Some(FieldType::Choices),
        None => {}
    }
    match &mapping.source {
        FieldSource::Template { .. } => Some(FieldType::Text),
        FieldSource::Constant(Value::Bool(_)) => Some(FieldType::Bool),
        FieldSource::Constant(Value::Number(_)) => Some(FieldType::Number),
        FieldSource::Constant(_) => Some(FieldType::Text),
        FieldSource::Column(name) => match columns::find_column(schema?, name) {
            ColumnMatch::At(index) => columns::field_type(schema?.field(index)),
            _ => None,
        },
    }
}

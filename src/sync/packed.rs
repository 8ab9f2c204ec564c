//! Packed: the values and prints of a row in the form they are set aside in.
//!
//! A row that differs is set aside twice, once when the model is read and once as part of the plan.
//! Its values are packed when they are read and unpacked when the row is sent or shown; in between
//! they are bytes that pass through.

use std::fmt;
use std::sync::Arc;

use outflow_sdk::print::Print;
use outflow_sdk::value::Value;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One value per mapped field, packed; `None` = leave the destination as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackedValues(Vec<u8>);

impl PackedValues {
    /// Packs values.
    ///
    /// # Errors
    /// When a value is larger than memory allows.
    pub fn pack(values: &[Option<Value>]) -> Result<Self, postcard::Error> {
        postcard::to_stdvec(values).map(Self)
    }

    /// Packs values into the room of those that were packed here before.
    ///
    /// # Errors
    /// When a value is larger than memory allows; nothing is packed here then.
    pub fn repack(&mut self, values: &[Option<Value>]) -> Result<(), postcard::Error> {
        self.0.clear();
        self.0 = postcard::to_extend(values, std::mem::take(&mut self.0))?;
        Ok(())
    }

    /// The values.
    ///
    /// # Errors
    /// When the bytes are not what [`pack`](Self::pack) made.
    pub fn unpack(&self) -> Result<Vec<Option<Value>>, postcard::Error> {
        postcard::from_bytes(&self.0)
    }
}

impl Serialize for PackedValues {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for PackedValues {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(BytesOf(<[u8]>::to_vec)).map(Self)
    }
}

/// The values of a row that is about to be sent, read where others read [`PackedValues`].
#[derive(Clone, Debug, PartialEq)]
pub struct SharedValues(pub Arc<[Option<Value>]>);

impl SharedValues {
    fn unpack(bytes: &[u8]) -> Result<Self, postcard::Error> {
        let mut deserializer = postcard::Deserializer::from_bytes(bytes);
        (&mut deserializer).deserialize_seq(Values).map(Self)
    }
}

impl<'de> Deserialize<'de> for SharedValues {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let values = deserializer.deserialize_bytes(BytesOf(Self::unpack))?;
        values.map_err(D::Error::custom)
    }
}

/// Takes values into their final place.
struct Values;

impl<'de> Visitor<'de> for Values {
    type Value = Arc<[Option<Value>]>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("values")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Self::Value, A::Error> {
        // Not known when the bytes cannot hold as many as they say.
        let count = values.size_hint();
        let count = count.ok_or_else(|| A::Error::custom("fewer values than there should be"))?;
        let mut shared: Arc<[Option<Value>]> = std::iter::repeat_n(None, count).collect();
        for place in Arc::get_mut(&mut shared).into_iter().flatten() {
            *place = values.next_element()?.flatten();
        }
        Ok(shared)
    }
}

/// Prints as bytes: as numbers of variable length they would be longer and slower.
pub(super) mod prints {
    use super::{BytesOf, Deserializer, Print, Serializer};

    pub(crate) fn serialize<S: Serializer>(prints: &[Print], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytemuck::cast_slice(prints))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Print>, D::Error> {
        deserializer.deserialize_bytes(BytesOf(|bytes| {
            let (prints, _) = bytes.as_chunks();
            prints.iter().map(|bytes| Print::from_ne_bytes(*bytes)).collect()
        }))
    }
}

/// Takes bytes as they lie in the buffer.
struct BytesOf<T>(fn(&[u8]) -> T);

impl<T> Visitor<'_> for BytesOf<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("bytes")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<T, E> {
        Ok(self.0(bytes))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Row<V> {
        values: V,
        #[serde(with = "prints")]
        prints: Vec<Print>,
    }

    #[test]
    fn values_and_prints_pass_through_a_spill_unchanged() {
        let values = vec![
            Some(Value::text("ä")),
            None,
            Some(Value::Null),
            Some(Value::Date(-1)),
        ];
        for prints in [vec![], vec![0, 1, Print::MAX]] {
            let row = Row {
                values: PackedValues::pack(&values).unwrap(),
                prints,
            };
            let bytes = postcard::to_stdvec(&row).unwrap();
            let back: Row<PackedValues> = postcard::from_bytes(&bytes).unwrap();
            assert_eq!(back, row);
            assert_eq!(back.values.unpack().unwrap(), values);
            let sent: Row<SharedValues> = postcard::from_bytes(&bytes).unwrap();
            assert_eq!(*sent.values.0, *values);
            let mut again = PackedValues::pack(&[Some(Value::text("what was here before"))]).unwrap();
            again.repack(&values).unwrap();
            assert_eq!(again, row.values);
        }
    }

    #[test]
    fn bytes_that_are_no_values_are_an_error() {
        for bytes in [&[3, 1][..], &[0xff, 0xff, 0xff, 0xff, 0x0f], &[]] {
            assert!(PackedValues(bytes.to_vec()).unpack().is_err());
            assert!(SharedValues::unpack(bytes).is_err());
        }
    }
}

//! A serde serializer around another one that refuses what JSON would change without a word: numbers that are no
//! numbers, which `serde_json` writes as `null`, and bytes, which it writes as a list of numbers.

use std::fmt::Display;

use serde::ser::{
    Error, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

/// Hands everything on to `S`, except for what it refuses. The parts of a compound value go the same way. With `REFUSES`
/// off it only looks into options and newtypes, which `serde_path_to_error` does not.
pub(super) struct Strict<S, const REFUSES: bool>(pub(super) S);

/// A part of a compound value, which gets a [`Strict`] serializer of its own.
struct Part<'a, T: ?Sized, const REFUSES: bool>(&'a T);

impl<T: Serialize + ?Sized, const REFUSES: bool> Serialize for Part<'_, T, REFUSES> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(Strict::<S, REFUSES>(serializer))
    }
}

fn not_a_number<E: Error>(number: f64) -> E {
    E::custom(format_args!("{number} is not a JSON number; send null or a text for it"))
}

macro_rules! hand_on {
    ($($name:ident($type:ty);)*) => {
        $(
            #[inline]
            fn $name(self, value: $type) -> Result<S::Ok, S::Error> {
                self.0.$name(value)
            }
        )*
    };
}

impl<S: Serializer, const REFUSES: bool> Serializer for Strict<S, REFUSES> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Strict<S::SerializeSeq, REFUSES>;
    type SerializeTuple = Strict<S::SerializeTuple, REFUSES>;
    type SerializeTupleStruct = Strict<S::SerializeTupleStruct, REFUSES>;
    type SerializeTupleVariant = Strict<S::SerializeTupleVariant, REFUSES>;
    type SerializeMap = Strict<S::SerializeMap, REFUSES>;
    type SerializeStruct = Strict<S::SerializeStruct, REFUSES>;
    type SerializeStructVariant = Strict<S::SerializeStructVariant, REFUSES>;

    hand_on! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_i128(i128);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_u128(u128);
        serialize_char(char);
        serialize_str(&str);
        serialize_unit_struct(&'static str);
    }

    #[inline]
    fn serialize_f32(self, value: f32) -> Result<S::Ok, S::Error> {
        if !REFUSES || value.is_finite() { self.0.serialize_f32(value) } else { Err(not_a_number(value.into())) }
    }

    #[inline]
    fn serialize_f64(self, value: f64) -> Result<S::Ok, S::Error> {
        if !REFUSES || value.is_finite() { self.0.serialize_f64(value) } else { Err(not_a_number(value)) }
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<S::Ok, S::Error> {
        if !REFUSES {
            return self.0.serialize_bytes(bytes);
        }
        Err(S::Error::custom("bytes inside JSON; send them as a message of their own, or as text such as base64"))
    }

    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.0.serialize_none()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        // In JSON it is the value itself.
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.0.serialize_unit()
    }

    fn serialize_unit_variant(self, name: &'static str, index: u32, variant: &'static str) -> Result<S::Ok, S::Error> {
        self.0.serialize_unit_variant(name, index, variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<S::Ok, S::Error> {
        // In JSON it is the value itself.
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.0.serialize_newtype_variant(name, index, variant, &Part::<T, REFUSES>(value))
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        self.0.serialize_seq(len).map(Strict)
    }

    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, S::Error> {
        self.0.serialize_tuple(len).map(Strict)
    }

    fn serialize_tuple_struct(self, name: &'static str, len: usize) -> Result<Self::SerializeTupleStruct, S::Error> {
        self.0.serialize_tuple_struct(name, len).map(Strict)
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        self.0.serialize_tuple_variant(name, index, variant, len).map(Strict)
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        self.0.serialize_map(len).map(Strict)
    }

    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Self::SerializeStruct, S::Error> {
        self.0.serialize_struct(name, len).map(Strict)
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        self.0.serialize_struct_variant(name, index, variant, len).map(Strict)
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.0.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

macro_rules! compound {
    ($($trait:ident, $part:ident;)*) => {
        $(
            impl<S: $trait, const REFUSES: bool> $trait for Strict<S, REFUSES> {
                type Ok = S::Ok;
                type Error = S::Error;

                #[inline]
                fn $part<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
                    self.0.$part(&Part::<T, REFUSES>(value))
                }

                fn end(self) -> Result<S::Ok, S::Error> {
                    self.0.end()
                }
            }
        )*
    };
}

compound! {
    SerializeSeq, serialize_element;
    SerializeTuple, serialize_element;
    SerializeTupleStruct, serialize_field;
    SerializeTupleVariant, serialize_field;
}

macro_rules! fields {
    ($($trait:ident;)*) => {
        $(
            impl<S: $trait, const REFUSES: bool> $trait for Strict<S, REFUSES> {
                type Ok = S::Ok;
                type Error = S::Error;

                #[inline]
                fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), S::Error> {
                    self.0.serialize_field(key, &Part::<T, REFUSES>(value))
                }

                fn skip_field(&mut self, key: &'static str) -> Result<(), S::Error> {
                    self.0.skip_field(key)
                }

                fn end(self) -> Result<S::Ok, S::Error> {
                    self.0.end()
                }
            }
        )*
    };
}

fields! {
    SerializeStruct;
    SerializeStructVariant;
}

impl<S: SerializeMap, const REFUSES: bool> SerializeMap for Strict<S, REFUSES> {
    type Ok = S::Ok;
    type Error = S::Error;

    /// Keys are the inner serializer's matter: it refuses what cannot be a key.
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), S::Error> {
        self.0.serialize_key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
        self.0.serialize_value(&Part::<T, REFUSES>(value))
    }

    #[inline]
    fn serialize_entry<K: Serialize + ?Sized, V: Serialize + ?Sized>(
        &mut self,
        key: &K,
        value: &V,
    ) -> Result<(), S::Error> {
        self.0.serialize_entry(key, &Part::<V, REFUSES>(value))
    }

    fn end(self) -> Result<S::Ok, S::Error> {
        self.0.end()
    }
}

//! Things that are found by the id of a message of a session. Ids count up, so that most find their place without a search.

use rustc_hash::FxHashMap;

/// How many places there are at first, and at the most: powers of two.
const FIRST_PLACES: usize = 16;
const MOST_PLACES: usize = 256;

/// Things by their ids. One that finds another one at its place, which is the rest of its id when divided by the number of
/// places, goes to a map: so it is where a few stay for long, or where very many are in flight.
#[derive(Debug)]
pub(crate) struct ById<T> {
    /// As many as a power of two, or none yet.
    places: Vec<Option<(u32, T)>>,
    displaced: FxHashMap<u32, T>,
    /// How many there are in both.
    len: usize,
}

impl<T> Default for ById<T> {
    fn default() -> ById<T> {
        ById { places: Vec::new(), displaced: FxHashMap::default(), len: 0 }
    }
}

impl<T> ById<T> {
    #[inline(always)]
    fn place(&mut self, id: u32) -> Option<&mut Option<(u32, T)>> {
        let last = self.places.len().wrapping_sub(1);
        self.places.get_mut(id as usize & last)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn contains(&self, id: u32) -> bool {
        let last = self.places.len().wrapping_sub(1);
        matches!(self.places.get(id as usize & last), Some(Some((of, _))) if *of == id)
            || (!self.displaced.is_empty() && self.displaced.contains_key(&id))
    }

    /// Adds a thing under an id that no other one has; gives it back where another one has it.
    #[inline(always)]
    pub(crate) fn insert(&mut self, id: u32, thing: T) -> Result<(), T> {
        // One that is elsewhere may have the id.
        let is_elsewhere = !self.displaced.is_empty();
        match self.place(id) {
            Some(place @ None) if !is_elsewhere => {
                *place = Some((id, thing));
                self.len += 1;
                Ok(())
            }
            _ => self.insert_elsewhere(id, thing),
        }
    }

    #[cold]
    fn insert_elsewhere(&mut self, id: u32, thing: T) -> Result<(), T> {
        if self.contains(id) {
            return Err(thing);
        }
        self.len += 1;
        if self.places.len() < MOST_PLACES && self.len * 2 > self.places.len() {
            let more = (self.places.len() * 4).clamp(FIRST_PLACES, MOST_PLACES);
            let before = std::mem::take(&mut self.places);
            self.places.resize_with(more, || None);
            let displaced = std::mem::take(&mut self.displaced);
            for (id, thing) in before.into_iter().flatten().chain(displaced) {
                self.put(id, thing);
            }
        }
        self.put(id, thing);
        Ok(())
    }

    fn put(&mut self, id: u32, thing: T) {
        match self.place(id) {
            Some(place @ None) => *place = Some((id, thing)),
            _ => drop(self.displaced.insert(id, thing)),
        }
    }

    /// Takes the thing with this id out, if it `is_meant`.
    #[inline]
    pub(crate) fn take_if(&mut self, id: u32, is_meant: impl FnOnce(&T) -> bool) -> Option<T> {
        let last = self.places.len().wrapping_sub(1);
        let taken = match self.places.get_mut(id as usize & last) {
            Some(place) if place.as_ref().is_some_and(|(of, _)| *of == id) => {
                place.take_if(|(_, thing)| is_meant(thing)).map(|(_, thing)| thing)
            }
            _ if self.displaced.is_empty() => None,
            _ if self.displaced.get(&id).is_some_and(is_meant) => self.displaced.remove(&id),
            _ => None,
        };
        self.len -= usize::from(taken.is_some());
        taken
    }

    #[inline]
    pub(crate) fn remove(&mut self, id: u32) -> Option<T> {
        self.take_if(id, |_| true)
    }

    pub(crate) fn get(&self, id: u32) -> Option<&T> {
        let last = self.places.len().wrapping_sub(1);
        match self.places.get(id as usize & last) {
            Some(Some((of, thing))) if *of == id => Some(thing),
            _ => self.displaced.get(&id),
        }
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.places.iter().flatten().map(|(_, thing)| thing).chain(self.displaced.values())
    }

    /// Takes those out that are `meant`, in no order.
    pub(crate) fn take_all_if(&mut self, mut is_meant: impl FnMut(u32, &T) -> bool) -> Vec<(u32, T)> {
        let places = self.places.iter_mut();
        let mut taken: Vec<_> = places.filter_map(|place| place.take_if(|(id, thing)| is_meant(*id, thing))).collect();
        taken.extend(self.displaced.extract_if(|id, thing| is_meant(*id, thing)));
        self.len -= taken.len();
        taken
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_that_share_a_place_are_all_found() {
        let mut things = ById::default();
        let ids = [1, 2, 1 + 16, 1 + 256, 1 + (1 << 31), u32::MAX, u32::MAX - 256];
        for id in ids {
            assert!(!things.contains(id) && things.get(id).is_none());
            assert_eq!(things.insert(id, id), Ok(()));
            assert_eq!(things.insert(id, 0), Err(0));
        }
        for id in ids {
            assert!(things.contains(id) && things.get(id) == Some(&id));
            assert_eq!(things.take_if(id, |_| false), None);
            assert_eq!(things.remove(id), Some(id));
            assert_eq!(things.remove(id), None);
        }
        assert!(things.is_empty() && things.values().next().is_none());
    }

    #[test]
    fn many_in_flight_and_one_that_stays_take_no_more_places_than_there_may_be() {
        let mut things = ById::default();
        assert_eq!(things.insert(7, 7), Ok(()));
        for id in 8..8000 {
            assert_eq!(things.insert(id, id), Ok(()));
            if id >= 2000 {
                assert_eq!(things.remove(id - 1000), Some(id - 1000));
            }
        }
        assert_eq!((things.get(7), things.places.len()), (Some(&7), MOST_PLACES));
        assert_eq!(things.take_all_if(|_, _| true).len(), 1 + 992 + 1000);
        assert!(things.is_empty());
    }

    proptest! {
        #[test]
        fn it_holds_what_a_map_holds(steps in prop::collection::vec((0..3_u8, 0..600_u32), 0..400)) {
            let (mut things, mut map) = (ById::default(), BTreeMap::new());
            for (what, id) in steps {
                match what {
                    0 => {
                        let is_new = things.insert(id, id * 3).is_ok();
                        prop_assert_eq!(is_new, !map.contains_key(&id));
                        map.insert(id, id * 3);
                    }
                    1 => prop_assert_eq!(things.remove(id), map.remove(&id)),
                    _ => {
                        let mut taken = things.take_all_if(|of, _| of % 7 == id % 7);
                        taken.sort_unstable();
                        let mut expected: Vec<_> = map.extract_if(.., |of, _| of % 7 == id % 7).collect();
                        expected.sort_unstable();
                        prop_assert_eq!(taken, expected);
                    }
                }
                prop_assert_eq!(things.is_empty(), map.is_empty());
                prop_assert_eq!(things.values().count(), map.len());
            }
        }
    }
}

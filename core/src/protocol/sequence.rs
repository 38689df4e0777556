//! The numbers of a publisher's events: 64 bits, from 1, without those whose low 32 bits are zero. Frames carry the low 32
//! bits.

/// How many numbers stand in a row between two that are left out.
const IN_A_ROW: u64 = u32::MAX as u64;

/// The number that is `count` events after `number`; 0 is before the first.
pub(crate) fn after(number: u64, count: u64) -> u64 {
    // Counted without those that are left out, and back.
    let index = (number - (number >> 32)).saturating_add(count);
    match index.checked_sub(1) {
        Some(before) => index.saturating_add(before / IN_A_ROW),
        None => 0,
    }
}

/// The first number after `number` whose low 32 bits these are.
pub(crate) fn widen(low: u32, number: u64) -> u64 {
    let wide = number & !u64::from(u32::MAX) | u64::from(low);
    if wide > number { wide } else { wide.saturating_add(1 << 32) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_whose_low_half_is_zero_are_left_out() {
        const LOW: u64 = u32::MAX as u64;
        assert_eq!((after(0, 0), after(0, 1), after(1, 1), after(0, LOW)), (0, 1, 2, LOW));
        assert_eq!((after(LOW, 1), after(LOW, 2), after(LOW - 1, 2)), (LOW + 2, LOW + 3, LOW + 2));
        assert_eq!((after(0, LOW + 1), after(0, 2 * LOW), after(0, 2 * LOW + 1)), (LOW + 2, 2 * LOW + 1, 2 * LOW + 3));
        for start in [LOW - 3, 2 * LOW - 1, 7 * (LOW + 1) - 2] {
            let mut number = start;
            for count in 1..10 {
                number += if (number + 1) as u32 == 0 { 2 } else { 1 };
                assert_eq!(after(start, count), number, "{count} after {start}");
            }
        }
    }

    #[test]
    fn the_low_half_of_a_number_leads_back_to_it() {
        for number in [0, 1, 5, u64::from(u32::MAX) - 1, u64::from(u32::MAX), 1 << 33, (1 << 40) + 7] {
            for count in [1, 2, 1000, u64::from(u32::MAX) - 1] {
                let later = after(number, count);
                assert_eq!(widen(later as u32, number), later, "{count} after {number}");
            }
        }
    }
}

//! The clock and what is due by it, apart from them: tests/loom takes those files in.

use std::time::Duration;

use crate::server::clock::{Moment, SharedMoment};
use crate::server::session::acks::{DueAck, Look};

const DAY: u64 = 24 * 60 * 60 * 1000;

#[test]
fn moments_far_apart_are_in_order() {
    for day in [24, 25, 49, 50, 100, 10_000] {
        let (early, late) = (Moment::at(day), Moment::at(day * DAY));
        assert!(early < late);
        assert_eq!(late.since(early), Duration::from_millis(day * DAY - day));
        assert_eq!(early.since(late), Duration::ZERO, "what is to come was not ago");
        assert!(late < late.after(Duration::from_secs(1)));
    }
    assert_eq!(Moment::at(5).after(Duration::MAX), Moment::at(u64::MAX));
}

#[test]
fn a_shared_moment_is_what_was_set_and_may_be_none() {
    let shared = SharedMoment::default();
    assert_eq!(shared.get(), None);
    shared.set(Some(Moment::at(0)));
    assert_eq!(shared.get(), Some(Moment::at(0)));
    shared.set(None);
    assert_eq!(shared.get(), None);
}

const AFTER: Duration = Duration::from_millis(50);

#[test]
fn an_acknowledgement_is_due_when_its_time_has_come_and_not_before() {
    let due = DueAck::default();
    assert_eq!(due.look(Moment::at(1000), AFTER), Look::Nothing);
    due.begin(7, Moment::at(1000));
    for now in [0, 999, 1000, 1049] {
        assert_eq!(due.look(Moment::at(now), AFTER), Look::Later, "{now}");
    }
    assert_eq!(due.look(Moment::at(1050), AFTER), Look::Now(7));
    assert_eq!(due.look(Moment::at(1050), AFTER), Look::Nothing);
    assert_eq!(due.end(), None);
    due.begin(8, Moment::at(1050));
    assert_eq!(due.end(), Some(8));
}

#[test]
fn a_listener_that_has_run_for_weeks_waits_as_long_as_one_that_has_just_begun() {
    let due = DueAck::default();
    for weeks in [3, 4, 7, 8, 500] {
        let began = weeks * 7 * 24 * 60 * 60 * 1000;
        due.begin(1, Moment::at(began));
        assert_eq!(due.look(Moment::at(began - 1), AFTER), Look::Later, "a look that began before it");
        assert_eq!(due.look(Moment::at(began + 49), AFTER), Look::Later);
        assert_eq!(due.look(Moment::at(began + 50), AFTER), Look::Now(1));
    }
}

use std::time::Duration;

use chrono::{DateTime, Utc};
use tracing::{Level, debug, error, info, info_span, warn};
use tracing_subscriber::fmt::MakeWriter;

use super::limiter::{FAILURES, HELD_BYTES, KINDS, without_lengths_of_time};
use super::*;

/// A limiter, and the time at which it looks.
struct Bench {
    limiter: Limiter,
    now: Instant,
    time: DateTime<Utc>,
}

impl Bench {
    fn new() -> Self {
        Self {
            limiter: Limiter::default(),
            now: Instant::now(),
            time: DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
        }
    }

    fn pass(&mut self, span: Duration) {
        self.now += span;
        self.time += span;
    }

    fn lines(&mut self, line: &str) -> Vec<Line> {
        let policy = match line.split(' ').next() {
            Some("INFO") => Policy::CHANGE,
            Some("FAILURE") => Policy::FAILURE,
            Some("ERROR") => Policy::ERROR,
            _ => Policy::WARNING,
        };
        self.limiter.admit(line, policy, self.now, self.time)
    }

    fn admit(&mut self, line: &str) -> Vec<String> {
        let lines = self.lines(line).into_iter();
        lines.map(|line| line.text).collect()
    }

    /// How many lines are written if one comes every `span`, and the greatest number of them that stay unwritten.
    fn repeat(&mut self, line: &str, span: Duration, times: usize) -> (usize, usize) {
        let (mut written, mut unwritten, mut most) = (0, 0, 0);
        for _ in 0..times {
            let lines = self.lines(line);
            written += lines.len();
            unwritten = match lines.last() {
                Some(last) if last.time == self.time => 0,
                Some(_) => 1,
                None => unwritten + 1,
            };
            most = most.max(unwritten);
            self.pass(span);
        }
        (written, most)
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_line_that_comes_all_the_time_is_written_at_once_and_then_with_growing_pauses() {
    let mut bench = Bench::new();
    let (mut written, mut counted) = (Vec::new(), 0);
    for tenth in 0..36_000_u64 {
        for line in bench.admit("WARN no broker") {
            let times = line.rsplit_once('[').map_or(1, |(_, times)| {
                times.split(' ').next().unwrap().parse().unwrap()
            });
            counted += times;
            written.push(tenth);
        }
        bench.pass(SECOND / 10);
    }
    assert_eq!(written[..6], [0, 10, 30, 70, 150, 310]);
    // An hour with a line in five minutes at the end.
    assert_eq!(written.len(), 10 + 10);
    // The last one came just before its summary.
    assert_eq!(counted, *written.last().unwrap());
}

#[test]
fn a_line_says_how_many_were_held_back_and_since_when() {
    let mut bench = Bench::new();
    assert_eq!(bench.admit("WARN full"), ["WARN full"]);
    for _ in 0..3 {
        bench.pass(SECOND / 10);
        assert_eq!(bench.admit("WARN full"), [""; 0]);
    }
    let last = bench.time;
    bench.pass(SECOND);
    let text = "WARN full [3 times since 2027-01-15T08:00:00Z]";
    assert_eq!(bench.limiter.overdue(bench.now), [Line::new(text, last)]);
    assert_eq!(bench.limiter.due(), None);
}

#[test]
fn what_was_held_back_is_told_with_its_own_time_before_what_comes_later() {
    let mut bench = Bench::new();
    bench.admit("WARN waits");
    bench.admit("WARN is slow");
    bench.pass(SECOND / 10);
    bench.admit("WARN is slow");
    let slow = bench.time;
    bench.pass(SECOND / 10);
    bench.admit("WARN waits");
    let waits = bench.time;
    bench.pass(SECOND * 2);
    let expected = [
        Line::new("WARN is slow", slow),
        Line::new("WARN waits", waits),
        Line::new("INFO goes on", bench.time),
    ];
    assert_eq!(bench.lines("INFO goes on"), expected);
    assert_eq!(bench.admit("INFO something else"), ["INFO something else"]);
}

#[test]
fn errors_are_written_within_seconds() {
    // A task that is restarted every minute and fails again, and one that does so every few seconds.
    for seconds in [60, 20, 3, 1] {
        let mut bench = Bench::new();
        let told = bench.repeat("FAILURE killed", SECOND * seconds, 100);
        assert_eq!(told, (100, 0), "every {seconds} s");
    }
    let mut bench = Bench::new();
    assert_eq!(bench.repeat("ERROR no broker", SECOND * 60, 100), (100, 0));
    let mut bench = Bench::new();
    let (written, unwritten) = bench.repeat("ERROR no broker", SECOND, 3600);
    assert!(written < 300 && unwritten <= 15, "{written} {unwritten}");
    let mut bench = Bench::new();
    let (written, _) = bench.repeat("FAILURE killed", SECOND / 100, 36_000);
    assert!(written < 150, "{written}");
}

#[test]
fn changes_that_a_user_makes_are_all_written() {
    for tenths in [100, 25, 10, 4] {
        let mut bench = Bench::new();
        let told = bench.repeat("INFO paused", SECOND * tenths / 10, 100);
        assert_eq!(told, (100, 0), "every {tenths} tenths");
    }
}

#[test]
fn a_line_that_has_not_come_for_long_is_news() {
    let mut bench = Bench::new();
    bench.admit("WARN full");
    bench.pass(SECOND);
    bench.admit("WARN full");
    bench.pass(SECOND * 63);
    assert_eq!(bench.admit("WARN full"), ["WARN full"]);
    bench.pass(SECOND);
    assert_eq!(bench.admit("WARN full"), ["WARN full"]);
}

#[test]
fn other_lines_are_not_held_back() {
    let mut bench = Bench::new();
    for line in [
        "WARN task{connector=a task=0}: away",
        "WARN task{connector=a task=1}: away",
        "WARN task{connector=b task=0}: away",
        "ERROR task{connector=a task=0}: away",
        "WARN the record at offset 1",
        "WARN the record at offset 2",
    ] {
        assert_eq!(bench.admit(line), [line]);
    }
}

#[test]
fn changes_that_follow_each_other_are_all_written() {
    let mut bench = Bench::new();
    for _ in 0..4 {
        assert_eq!(bench.admit("INFO the snapshot is complete").len(), 1);
    }
    assert_eq!(bench.admit("INFO the snapshot is complete"), [""; 0]);
}

#[test]
fn lengths_of_time_do_not_make_another_line() {
    for (one, other) in [
        ("trying again in 1.23s", "trying again in 823.4ms"),
        (
            "failed (after 0ms in state CONNECT)",
            "failed (after 12ms in state CONNECT)",
        ),
        ("took 3.5µs", "took 12µs"),
        ("next attempt in 5s: away", "next attempt in 10s: away"),
    ] {
        assert_eq!(without_lengths_of_time(one), without_lengths_of_time(other));
    }
    for text in ["topic t1 at 5", "10.0.0.1:9092/1 is down", "lines-0 of 3 s"] {
        assert_eq!(without_lengths_of_time(text), text);
    }
}

#[test]
fn colours_do_not_hide_lengths_of_time() {
    let mut bench = Bench::new();
    let line = |after: &str| {
        format!(
            "\x1b[33m WARN\x1b[0m away \x1b[3mafter\x1b[0m\x1b[2m=\x1b[0m{after} \x1b[3mn\x1b[0m=1"
        )
    };
    assert_eq!(bench.admit(&line("1.5s")).len(), 1);
    assert_eq!(bench.admit(&line("12ms")), [""; 0]);
    assert_eq!(bench.admit(" WARN away after=3s n=1"), [""; 0]);
    assert_eq!(bench.admit(" WARN away after=3s n=2").len(), 1);
}

#[test]
fn kinds_are_bounded_and_what_is_held_of_them_is_written() {
    let mut bench = Bench::new();
    bench.admit("WARN full");
    bench.admit("WARN full");
    bench.admit("WARN full");
    let mut written = Vec::new();
    for number in 0..3 * KINDS {
        written.extend(bench.admit(&format!("WARN number {number}")));
        assert!(bench.limiter.kinds() <= KINDS);
    }
    let held = "WARN full [2 times since 2027-01-15T08:00:00Z]";
    assert_eq!(written.iter().filter(|line| *line == held).count(), 1);
    assert_eq!(written.len(), 3 * KINDS + 1);
}

#[test]
fn kinds_that_do_not_come_again_are_dropped() {
    let mut bench = Bench::new();
    for number in 0..100 {
        bench.admit(&format!("WARN number {number}"));
    }
    bench.pass(SECOND * 100);
    bench.admit("WARN another");
    assert_eq!(bench.limiter.kinds(), 1);
}

#[test]
fn bytes_of_held_lines_are_bounded() {
    let mut bench = Bench::new();
    let mut written = 0;
    for number in 0..100 {
        let line = format!("WARN number {number} {}", "x".repeat(HELD_BYTES / 10));
        written += bench.admit(&line).len();
        written += bench.admit(&line).len();
        assert!(bench.limiter.held_bytes() <= HELD_BYTES);
    }
    assert!(written > 180, "{written}");
    bench.limiter.all(bench.now);
    assert_eq!(bench.limiter.held_bytes(), 0);
}

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Captured {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// Logs what `events` makes; returns what is held back then.
    fn log(&self, ansi: bool, events: impl FnOnce()) -> Arc<HeldBack> {
        let held_back = HeldBack::new(ansi);
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(Level::DEBUG)
            .with_writer(self.clone())
            .with_ansi(ansi)
            .map_event_format(|_| Limited::new(Arc::clone(&held_back)))
            .finish();
        tracing::subscriber::with_default(subscriber, events);
        held_back
    }
}

#[test]
fn repeated_events_are_one_line_for_each_task() {
    let captured = Captured::default();
    captured.log(false, || {
        for task in 0..2 {
            let _task = info_span!("task", connector = "a", task).entered();
            for _ in 0..100 {
                warn!(size = 3, "the log is away");
                debug!("asked");
            }
        }
    });
    let log = captured.text();
    let written = |text: &str| log.lines().filter(|line| line.ends_with(text)).count();
    assert_eq!(
        written(
            "task{connector=\"a\" task=0}: tidegate::logging::limit::tests: the log is away size=3"
        ),
        1,
        "{log}"
    );
    assert_eq!(written("the log is away size=3"), 2, "{log}");
    assert_eq!(written("asked"), 200, "{log}");
    assert!(log.starts_with("20"), "{log}");
}

#[test]
fn events_in_colour_are_limited_by_their_text() {
    let captured = Captured::default();
    captured.log(true, || {
        for attempt in 1..=10_u64 {
            warn!(after = ?Duration::from_millis(attempt), "the log is away");
        }
    });
    let log = captured.text();
    assert!(log.contains("\x1b["), "{log}");
    assert_eq!(log.lines().count(), 1, "{log}");
}

#[test]
fn failures_of_tasks_are_written_though_they_follow_each_other() {
    let captured = Captured::default();
    captured.log(false, || {
        for _ in 0..3 {
            error!(target: "tidegate_tasks::run", "Task a-0 threw");
            error!("no broker");
        }
    });
    let log = captured.text();
    assert_eq!(log.matches("threw").count(), 3, "{log}");
    assert_eq!(log.matches("no broker").count(), 1, "{log}");
    let sources = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (target, file) in FAILURES.iter().zip([
        "runtime/tasks/src/run.rs",
        "runtime/worker/src/herder/connector.rs",
        "connectors/cdc/src/reader.rs",
    ]) {
        let text = std::fs::read_to_string(sources.join(file)).expect(file);
        assert!(text.contains("error!("), "{target} logs no errors");
    }
}

#[test]
fn the_end_writes_what_is_held_back() {
    let captured = Captured::default();
    let held_back = captured.log(false, || {
        (0..3).for_each(|_| warn!("the log is away"));
        info!("stops");
    });
    let mut text = String::new();
    held_back.close(|line| text += line);
    assert!(text.contains("the log is away [2 times since "), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    // What comes behind it is written as it comes.
    for _ in 0..3 {
        assert_eq!(held_back.admit("WARN late", Policy::WARNING).len(), 1);
    }
    held_back.write_overdue(|line| panic!("{line} behind the end"));
}

#[test]
fn a_quiet_process_writes_what_is_overdue() {
    let (sender, written) = std::sync::mpsc::sync_channel(1);
    let held_back = HeldBack::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| held_back.write_overdue(|line| sender.send(line.to_owned()).unwrap()));
        for _ in 0..3 {
            held_back.admit("WARN full", Policy::WARNING);
        }
        let line = written.recv_timeout(Duration::from_secs(30)).unwrap();
        held_back.close(|line| panic!("{line} is written twice"));
        assert!(line.contains(" WARN full [2 times since "), "{line}");
    });
}

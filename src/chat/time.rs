//! `strftime_now`: the date that some templates write into the system message.

use minijinja::{Error, ErrorKind};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// The range of times, in seconds since 1970: the years 0 to 9999.
const RANGE: std::ops::Range<i64> = -62_167_219_200..253_402_300_800;

/// A moment as the wall clock and the calendar show it.
struct Moment {
    year: i64,
    /// 1 to 12
    month: i64,
    /// 1 to 31
    day: i64,
    /// days since 1 January, from 0
    day_of_year: i64,
    /// 0 is Sunday
    weekday: i64,
    /// since midnight
    second: i64,
}

impl Moment {
    /// From seconds since 1970 in the zone to be shown.
    ///
    /// Days to date by Howard Hinnant's `civil_from_days` ("chrono-Compatible Low-Level Date Algorithms"): years
    /// begin in March, so that the leap day is the last of its year.
    fn new(seconds: i64) -> Self {
        let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let since_0000_march = days + 719_468;
        let (era, day_of_era) = (since_0000_march.div_euclid(146_097), since_0000_march.rem_euclid(146_097));
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let from_march = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * from_march + 2) / 153;
        let day = from_march - (153 * month_from_march + 2) / 5 + 1;
        let month = (month_from_march + 2) % 12 + 1;
        let year = era * 400 + year_of_era + i64::from(month <= 2);
        let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let day_of_year = if month <= 2 { from_march - 306 } else { from_march + 59 + i64::from(is_leap) };
        Self { year, month, day, day_of_year, weekday: (days + 4).rem_euclid(7), second }
    }
}

fn name(names: &[&'static str], index: i64) -> &'static str {
    usize::try_from(index).ok().and_then(|index| names.get(index)).copied().unwrap_or_default()
}

/// Writes the time `seconds` (since 1970, in the zone to be shown) as `format` says: `%Y %y %m %d %e %j %B %b %h %A
/// %a %u %w %H %I %M %S %p %F %T %D %R %n %t %%`, and `%-` for no padding.
///
/// # Errors
/// An unknown directive, or a time outside the years 0 to 9999.
pub fn strftime(format: &str, seconds: i64) -> Result<String, Error> {
    if !RANGE.contains(&seconds) {
        let detail = format!("strftime_now: {seconds} seconds since 1970 is not in the years 0 to 9999");
        return Err(Error::new(ErrorKind::InvalidOperation, detail));
    }
    let now = Moment::new(seconds);
    let mut text = String::new();
    let mut rest = format.chars();
    while let Some(c) = rest.next() {
        if c != '%' {
            text.push(c);
            continue;
        }
        let mut directive = rest.next();
        let is_padded = directive != Some('-');
        if !is_padded {
            directive = rest.next();
        }
        write(&mut text, &now, directive, is_padded)?;
    }
    Ok(text)
}

fn write(text: &mut String, now: &Moment, directive: Option<char>, is_padded: bool) -> Result<(), Error> {
    let hour = now.second / 3600;
    let (minute, hour12) = (now.second / 60 % 60, (hour + 11) % 12 + 1);
    let mut number = |value: i64, width: usize| {
        let width = if is_padded { width } else { 0 };
        text.push_str(&format!("{value:0width$}"));
    };
    match directive {
        Some('Y') => number(now.year, 0),
        Some('y') => number(now.year % 100, 2),
        Some('m') => number(now.month, 2),
        Some('d') => number(now.day, 2),
        Some('j') => number(now.day_of_year + 1, 3),
        Some('H') => number(hour, 2),
        Some('I') => number(hour12, 2),
        Some('M') => number(minute, 2),
        Some('S') => number(now.second % 60, 2),
        Some('w') => number(now.weekday, 0),
        Some('u') => number((now.weekday + 6) % 7 + 1, 0),
        Some('e') if is_padded => text.push_str(&format!("{:2}", now.day)),
        Some('e') => number(now.day, 0),
        Some('B') => text.push_str(name(&MONTHS, now.month - 1)),
        Some('b' | 'h') => text.extend(name(&MONTHS, now.month - 1).chars().take(3)),
        Some('A') => text.push_str(name(&DAYS, now.weekday)),
        Some('a') => text.extend(name(&DAYS, now.weekday).chars().take(3)),
        Some('p') => text.push_str(if hour < 12 { "AM" } else { "PM" }),
        Some('F') => text.push_str(&format!("{}-{:02}-{:02}", now.year, now.month, now.day)),
        Some('D') => text.push_str(&format!("{:02}/{:02}/{:02}", now.month, now.day, now.year % 100)),
        Some('T') => text.push_str(&format!("{hour:02}:{minute:02}:{:02}", now.second % 60)),
        Some('R') => text.push_str(&format!("{hour:02}:{minute:02}")),
        Some('n') => text.push('\n'),
        Some('t') => text.push('\t'),
        Some('%') => text.push('%'),
        other => {
            let detail = match other {
                Some(c) => format!("strftime_now: the directive %{c} is not supported"),
                None => "strftime_now: the format ends after %".into(),
            };
            return Err(Error::new(ErrorKind::InvalidOperation, detail));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_days() {
        let all = "%Y-%m-%d %H:%M:%S %A %a %B %b %j %I %p %e %-d %-m %y %u%w %F %T %%";
        let cases = [
            (1_773_480_413, "2026-03-14 09:26:53 Saturday Sat March Mar 073 09 AM 14 14 3 26 66 2026-03-14 09:26:53 %"),
            (0, "1970-01-01 00:00:00 Thursday Thu January Jan 001 12 AM  1 1 1 70 44 1970-01-01 00:00:00 %"),
            (951_868_799, "2000-02-29 23:59:59 Tuesday Tue February Feb 060 11 PM 29 29 2 00 22 2000-02-29 23:59:59 %"),
            (-1, "1969-12-31 23:59:59 Wednesday Wed December Dec 365 11 PM 31 31 12 69 33 1969-12-31 23:59:59 %"),
        ];
        for (seconds, text) in cases {
            assert_eq!(strftime(all, seconds).unwrap(), text);
        }
    }

    #[test]
    fn days_of_the_year_count_up() {
        for (year_start, length) in [(1_704_067_200, 366), (1_735_689_600, 365), (946_684_800, 366)] {
            for day in 0..length {
                let expected = format!("{:03}", day + 1);
                assert_eq!(strftime("%j", year_start + day * 86_400).unwrap(), expected);
            }
            assert_eq!(strftime("%j", year_start + length * 86_400).unwrap(), "001");
        }
    }

    #[test]
    fn what_is_not_known_is_an_error() {
        for (format, seconds) in [("%Q", 0), ("%", 0), ("%-", 0), ("%Y", i64::MAX), ("%Y", i64::MIN)] {
            strftime(format, seconds).unwrap_err();
        }
    }
}

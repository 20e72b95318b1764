import Pipelines

// Dates are numbers of days since 1970-01-01.

extension Functions {
  static let calendar: [Scalar] = [
    Scalar(name: "year", arguments: 1) { context, count, values in
      Invocation(context, count, values)?.ofDate("year") { Int64($0.year) }
    },
    Scalar(name: "month", arguments: 1) { context, count, values in
      Invocation(context, count, values)?.ofDate("month") { Int64($0.month) }
    },
    Scalar(name: "date_trunc", arguments: 2) { context, count, values in
      Invocation(context, count, values)?.truncateDate()
    },
    Scalar(name: "add_months", arguments: 2) { context, count, values in
      Invocation(context, count, values)?.addMonths()
    },
    Scalar(name: "iso_week", arguments: 1) { context, count, values in
      Invocation(context, count, values)?.isoWeek()
    },
    Scalar(name: "date_of", arguments: 1) { context, count, values in
      guard let call = Invocation(context, count, values) else { return }
      guard !call.isNull(0) else { return call.giveNull() }
      guard let moment = call.integer(0) else { return call.fail("date_of takes a timestamp") }
      let (days, rest) = moment.quotientAndRemainder(dividingBy: Calendar.dayMilliseconds)
      let day = rest < 0 ? days - 1 : days
      guard Calendar.days.contains(day) else { return call.fail("date_of takes a timestamp") }
      call.give(day)
    },
  ]

  static let formatting: [Scalar] = [
    Scalar(name: "fmt_decimal", arguments: 2) { context, count, values in
      Invocation(context, count, values)?.formatDecimal()
    },
    Scalar(name: "fmt_date", arguments: 1) { context, count, values in
      guard let call = Invocation(context, count, values) else { return }
      guard !call.isNull(0) else { return call.giveNull() }
      guard let day = call.date(0) else { return call.fail("fmt_date takes a date") }
      call.give(ColumnType.date.text(of: day))
    },
  ]
}

extension Invocation {
  fileprivate func date(_ index: Int) -> Int64? {
    integer(index).flatMap { Calendar.days.contains($0) ? $0 : nil }
  }

  fileprivate func ofDate(_ name: String, _ part: ((year: Int, month: Int, day: Int)) -> Int64) {
    guard !isNull(0) else { return giveNull() }
    guard let day = date(0) else { return fail("\(name) takes a date") }
    give(part(Calendar.date(day)))
  }

  /// `date_trunc(unit, date)`: the first day of its year, quarter, month or ISO week.
  fileprivate func truncateDate() {
    guard !anyNull else { return giveNull() }
    // The unit may stand first, as in PostgreSQL, or last.
    let unitPlace = integer(0) == nil ? 0 : 1
    guard let day = date(1 - unitPlace) else { return fail("date_trunc takes a date") }
    let parts = Calendar.date(day)
    let first: Int64?
    switch text(unitPlace) {
    case "year": first = Calendar.days(year: parts.year, month: 1, day: 1)
    case "quarter":
      first = Calendar.days(year: parts.year, month: (parts.month - 1) / 3 * 3 + 1, day: 1)
    case "month": first = Calendar.days(year: parts.year, month: parts.month, day: 1)
    case "week": first = day - weekday(day)
    case "day": first = day
    default: return fail("date_trunc knows year, quarter, month, week and day")
    }
    guard let first else { return fail("date_trunc leaves the calendar") }
    give(first)
  }

  /// The same day `n` months on, or the last of that month when it has no such day.
  fileprivate func addMonths() {
    guard !anyNull else { return giveNull() }
    guard let day = date(0), let months = integer(1), months.magnitude <= 120_000 else {
      return fail("add_months takes a date and a number of months")
    }
    let parts = Calendar.date(day)
    let total = parts.year * 12 + parts.month - 1 + Int(months)
    let (year, month) = (total / 12, total % 12 + 1)
    guard total >= 12, year <= Calendar.yearMax else {
      return fail("add_months leaves the calendar")
    }
    let length = Calendar.length(ofMonth: month, year: year)
    guard let result = Calendar.days(year: year, month: month, day: min(parts.day, length)) else {
      return fail("add_months leaves the calendar")
    }
    give(result)
  }

  /// `year · 100 + week` by ISO 8601: weeks start on Monday, week 1 holds the first Thursday.
  fileprivate func isoWeek() {
    guard !isNull(0) else { return giveNull() }
    guard let day = date(0) else { return fail("iso_week takes a date") }
    let thursday = day - weekday(day) + 3
    guard Calendar.days.contains(thursday) else { return fail("iso_week leaves the calendar") }
    let year = Calendar.date(thursday).year
    guard let first = Calendar.days(year: year, month: 1, day: 1) else { return }
    give(Int64(year) * 100 + (thursday - first) / 7 + 1)
  }

  /// 0 is Monday; 1970-01-01 was a Thursday.
  private func weekday(_ day: Int64) -> Int64 { ((day + 3) % 7 + 7) % 7 }

  fileprivate func formatDecimal() {
    guard !anyNull else { return giveNull() }
    guard let value = integer(0), let scale = integer(1), scale >= 0, scale <= 18 else {
      return fail("fmt_decimal takes a decimal and its scale, 0 to 18")
    }
    give(ColumnType.decimal(precision: 18, scale: UInt8(scale)).text(of: value))
  }
}

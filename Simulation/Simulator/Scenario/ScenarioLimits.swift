import Wire

/// What the numbers of a scenario file, and of the commands that make one, may be.
package enum ScenarioLimits {
  package static let replicasMax = 40
  /// The longest span and the longest run.
  package static let spanMax = Span.seconds(1_000 * 3_600)
  /// Shorter, and the pace would start from no delay at all.
  static let leaderTimeoutMin = Span.milliseconds(1)
  /// One turn of a process, or one block in SQL.
  static let turnMax = Span.seconds(3_600)
  /// Each has a key and an account of its own; the owner has the first.
  static let clientsMax = Setting.people - 1
  /// Calls a second.
  static let rateMax: UInt64 = 10_000
  /// Message delays from a proposal to finality.
  static let delaysMax: UInt64 = 1_000
  /// Below minus a million parts of a million a clock would run backwards.
  static let driftMax: Int64 = 1_000_000
  /// Milliseconds, forward or back.
  static let stepMax = Int64(spanMax.milliseconds)
}

// One reader a number that has limits of its own.

func readClients(_ text: String) throws(TextFault) -> Int {
  let count = try number(text, "count of clients")
  let most = ScenarioLimits.clientsMax
  guard (1...UInt64(most)).contains(count) else {
    throw TextFault(
      "\(count) clients; there are keys for 1 to \(most), and without 'load' there is none", nil)
  }
  return Int(count)
}

func readTimeout(_ text: String) throws(TextFault) -> Span {
  let span = try Span(text: text)
  guard span >= ScenarioLimits.leaderTimeoutMin else {
    throw TextFault(
      "a leader has no time at all in '\(text)'; write \(ScenarioLimits.leaderTimeoutMin.text) or "
        + "more", nil)
  }
  return span
}

func readTurn(_ text: String) throws(TextFault) -> Span {
  let span = try Span(text: text)
  guard span <= ScenarioLimits.turnMax else {
    throw TextFault(
      "'\(text)' is too long for one turn; write \(ScenarioLimits.turnMax.text) at most, or pause "
        + "the replica", nil)
  }
  return span
}

/// `3.2 δ`, in hundredths.
func readDelays(_ text: String) throws(TextFault) -> UInt64 {
  let words = text.split(separator: " ", omittingEmptySubsequences: false)
  let parts = words[0].split(separator: ".", omittingEmptySubsequences: false)
  let digits = parts.count == 2 ? parts[1] : "0"
  guard words.count == 2, words[1] == "δ", parts.count <= 2, (1...2).contains(digits.count),
    text.first != "+", digits.first != "+", let whole = UInt64(parts[0]), let part = UInt64(digits)
  else { throw TextFault("'\(text)' is no count of message delays; write 3.2 δ", nil) }
  guard whole < ScenarioLimits.delaysMax else {
    throw TextFault("'\(text)' is too long; write less than \(ScenarioLimits.delaysMax) δ", nil)
  }
  let hundredths = whole * 100 + (digits.count == 1 ? part * 10 : part)
  guard hundredths > 0 else { throw TextFault("no block is final at once; write 3.2 δ", nil) }
  return hundredths
}

/// Views begin at 1.
func readView(_ text: String) throws(TextFault) -> View {
  let view = View(try number(text, "view"))
  guard view >= 1 else {
    throw TextFault("view 0 is final from the start, nobody acts in it; write 1 or more", nil)
  }
  return view
}

/// Blocks begin at height 1.
func readHeight(_ text: String) throws(TextFault) -> Height {
  let height = Height(try number(text, "height"))
  guard height >= 1 else {
    throw TextFault("height 0 is there from the start; write height 1 or more, or 0s", nil)
  }
  return height
}

func readStuck(_ text: String) throws(TextFault) -> Fault.ClockFault {
  guard text == "true" else {
    throw TextFault("a clock is stuck or it has no fault; write stuck: true", nil)
  }
  return .stuck
}

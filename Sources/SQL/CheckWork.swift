import Wire

/// Counts the steps of checking a text, and says when they are too many.
///
/// A step is about as much as comparing two names, some tens of nanoseconds. What is walked,
/// compared, joined and printed is counted, and no clock is read, so a text is refused on every
/// replica, at every replay and in every ad-hoc check, or in none.
///
/// - Safety: once it is spent, walks end at once with nothing known. Whoever started them refuses
///   the text, whatever else they found.
/// - Bound: behind the last step, each walk that is under way goes through what is left of its own
///   list, and no deeper.
package final class CheckWork {
  private(set) package var steps = 0
  private let stepsMax: Int
  /// Of the package that the text is part of.
  private let whole: CheckWork?
  /// What was walked last, in the text.
  private var place = Place(line: 1, column: 1)

  package init(stepsMax: Int = SQLLimits.checkStepsMax) {
    self.stepsMax = stepsMax
    whole = nil
  }

  /// For one text among those that share the steps of `whole`.
  package init(within whole: CheckWork) {
    stepsMax = SQLLimits.checkStepsMax
    self.whole = whole
  }

  package var isSpent: Bool { steps > stepsMax || whole?.isSpent ?? false }

  package func charge(_ count: Int) {
    steps += count
    whole?.charge(count)
  }

  /// - Returns: false where nothing more may be walked.
  func walk(at place: Place) -> Bool {
    guard !isSpent else { return false }
    self.place = place
    charge(SQLLimits.stepsPerNode)
    return true
  }

  /// The refusal of the text, once it is spent.
  func refusal(of text: SQLText) -> Diagnostic {
    let isOwn = steps > stepsMax
    return text.refusal(
      "SQL03", at: place,
      isOwn
        ? "a statement whose check takes more than \(stepsMax) steps"
        : "a package whose check takes more steps than all its statements may",
      because: "the steps that every replica takes for it ended here",
      fix: isOwn
        ? "split it into models or common tables: fewer columns, joins and SELECTs in one another"
        : "split the package, or let its statements read fewer and narrower tables")
  }
}

extension Checker {
  /// The known name that a misspelt one most likely meant; nil too where no refusal would tell it.
  func near(_ name: String, among known: [String]) -> String? {
    guard refusals.count < SQLLimits.refusalsMax, !work.isSpent else { return nil }
    let letters = name.utf8.count
    let alike = known.count { abs($0.utf8.count - letters) <= 3 }
    work.charge(known.count + alike * (1 + letters * letters / 16))
    return closest(to: name, among: known)
  }

  /// What depends on both.
  func mixed(_ a: Typed, _ b: Typed) -> Typed {
    work.charge(2 * a.originCount + 4 * b.originCount)
    return a.mixed(with: b)
  }

  /// For sets that are made of the columns' origins, and sorted.
  func chargeOrigins(of columns: OutputColumn...) {
    for column in columns { work.charge(8 * (1 + column.lineage.count + column.indirect.count)) }
  }

  /// The text between two offsets, for a refusal.
  func excerpt(from start: Int, to end: Int) -> String {
    guard refusals.count < SQLLimits.refusalsMax else { return "" }
    work.charge(source.text.utf8.count / 16)
    return source.slice(from: start, to: end)
  }
}

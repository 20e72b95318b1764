import Certification
import Pipelines
import Wire

/// The rows that a test expects against those that are there.
///
/// - Safety: a test holds when each expected row can be given a row of its own that fits it, and
///   none is left; rows that fit several are given so that the most find one.
struct TableComparison {
  struct Difference {
    let place: Places.Place
    let text: String
  }

  private(set) var differences: [Difference] = []
  private let claim: UnitTest.TableClaim
  private let found: [[Value]]

  init(_ claim: UnitTest.TableClaim, _ found: [[Value]]) {
    self.claim = claim
    self.found = found
    let given = assign()
    var free = found.indices.filter { !given.contains($0) }
    for (index, row) in claim.rows.enumerated() where given[index] == nil {
      guard let near = nearest(row, among: free) else {
        add(row.place, "- \(text(row))\n    no such row")
        continue
      }
      free.removeAll { $0 == near }
      let wrong = row.cells.filter { !fits($0, found[near]) }
      let details = wrong.map { cell in
        "\n    \(claim.columns[cell.column].name): expected \(text(cell)), found "
          + shown(found[near][cell.column], cell.column)
      }
      add(
        row.place,
        "- \(text(row))\n  + \(text(found[near], like: row))\(details.joined())")
    }
    for index in free {
      let named = claim.rows.first.map { text(found[index], like: $0) } ?? text(found[index])
      add(claim.place, "+ \(named)\n    a row that is not expected")
    }
  }

  private mutating func add(_ place: Places.Place, _ text: String) {
    differences.append(Difference(place: place, text: text))
  }

  // MARK: Fitting

  private func fits(_ cell: UnitTest.TableClaim.Cell, _ row: [Value]) -> Bool {
    let value = row[cell.column]
    if cell.isPart, case .text(let whole) = value, case .text(let part) = cell.value {
      return part.isEmpty || whole.contains(part)
    }
    return value == cell.value.value
  }

  private func fits(_ row: UnitTest.TableClaim.Row, _ values: [Value]) -> Bool {
    row.cells.allSatisfy { fits($0, values) }
  }

  /// For each expected row the row it was given: a largest matching, by augmenting paths.
  private func assign() -> [Int?] {
    let candidates = claim.rows.map { row in found.indices.filter { fits(row, found[$0]) } }
    var owner = [Int?](repeating: nil, count: found.count)
    func give(_ wanted: Int, _ seen: inout Set<Int>) -> Bool {
      for place in candidates[wanted] where seen.insert(place).inserted {
        if let holder = owner[place], !give(holder, &seen) { continue }
        owner[place] = wanted
        return true
      }
      return false
    }
    for wanted in claim.rows.indices {
      var seen: Set<Int> = []
      _ = give(wanted, &seen)
    }
    var given = [Int?](repeating: nil, count: claim.rows.count)
    for (place, wanted) in owner.enumerated() {
      if let wanted { given[wanted] = place }
    }
    return given
  }

  /// The free row with the most expected values; nil when none has any.
  private func nearest(_ row: UnitTest.TableClaim.Row, among free: [Int]) -> Int? {
    var best: (place: Int, score: Int)?
    for place in free {
      let score = row.cells.count { fits($0, found[place]) }
      if score > best?.score ?? 0 { best = (place, score) }
    }
    return best?.place
  }

  // MARK: Texts

  private func text(_ row: UnitTest.TableClaim.Row) -> String {
    row.cells.map { "\(claim.columns[$0.column].name): \(text($0))" }.joined(separator: ", ")
  }

  private func text(_ cell: UnitTest.TableClaim.Cell) -> String {
    (cell.isPart ? "…" : "") + shown(cell.value.value, cell.column) + (cell.isPart ? "…" : "")
  }

  private func text(_ values: [Value], like row: UnitTest.TableClaim.Row) -> String {
    row.cells.map {
      "\(claim.columns[$0.column].name): \(shown(values[$0.column], $0.column))"
    }.joined(separator: ", ")
  }

  private func text(_ values: [Value]) -> String {
    claim.columns.indices.filter { !claim.columns[$0].name.hasPrefix("_") }.map {
      "\(claim.columns[$0].name): \(shown(values[$0], $0))"
    }.joined(separator: ", ")
  }

  private func shown(_ value: Value, _ column: Int) -> String {
    claim.columns[column].type.proven.text(of: value) ?? "null"
  }
}

/// Where a column's values come from.
package struct Lineage: Sendable, Hashable, Comparable {
  /// The physical table.
  package let table: String
  package let column: String

  package init(table: String, column: String) {
    self.table = table
    self.column = column
  }

  package static func < (a: Self, b: Self) -> Bool { (a.table, a.column) < (b.table, b.column) }
}

/// One column that names in a SELECT may mean.
struct RowColumn: Sendable {
  let qualifier: String?
  let name: String
  var type: SQLType
  var nullable: Bool
  let pii: Bool
  let lineage: [Lineage]
  let indirect: [Lineage]
  var written = Written()
  /// Joined by USING on the right: only its qualified name means it.
  var isMerged = false
}

/// The rows that a FROM makes, with what determines what.
///
/// Elements are columns and one mark a source that stands for its row. A set of elements determines
/// others through dependencies; it determines a row when it determines the mark of each source.
///
/// - Bound: `closure` makes at most as many rounds as there are dependencies.
struct RowSpace: Sendable {
  private struct Dependency: Sendable {
    let premise: Set<Int>
    let conclusion: Set<Int>
  }

  private(set) var columns: [RowColumn?] = []
  private(set) var marks: [Int] = []
  /// The keys of each source, as elements.
  private(set) var sourceKeys: [[Set<Int>]] = []
  private var dependencies: [Dependency] = []

  /// Adds a source; its columns are the next elements.
  mutating func add(_ source: [RowColumn], keys given: [[Int]]) -> Range<Int> {
    let first = columns.count
    columns += source
    let range = first..<columns.count
    let mark = columns.count
    columns.append(nil)
    let own = given.map { Set($0.map { $0 + first }) }
    for key in own { depend(key, [mark]) }
    depend([mark], Set(range))
    marks.append(mark)
    sourceKeys.append(own)
    return range
  }

  /// Adds an element that is no column, such as the number that a window gives.
  mutating func addElement() -> Int {
    columns.append(nil)
    return columns.count - 1
  }

  mutating func depend(_ premise: Set<Int>, _ conclusion: Set<Int>) {
    dependencies.append(Dependency(premise: premise, conclusion: conclusion))
  }

  mutating func equate(_ a: Int, _ b: Int) {
    depend([a], [b])
    depend([b], [a])
  }

  mutating func merge(_ element: Int) { columns[element]?.isMerged = true }

  mutating func makeNullable(_ range: Range<Int>) {
    for element in range { columns[element]?.nullable = true }
  }

  func closure(of set: Set<Int>) -> Set<Int> {
    var known = set
    var grew = true
    while grew {
      grew = false
      for rule in dependencies
      where rule.premise.isSubset(of: known) && !rule.conclusion.isSubset(of: known) {
        known.formUnion(rule.conclusion)
        grew = true
      }
    }
    return known
  }

  func determinesRow(_ set: Set<Int>) -> Bool {
    let known = closure(of: set)
    return marks.allSatisfy(known.contains)
  }

  /// `set` without what the rest determines.
  func minimized(_ set: [Int]) -> [Int] {
    var kept = set
    for element in set.reversed() {
      let rest = kept.filter { $0 != element }
      if determinesRow(Set(rest)) { kept = rest }
    }
    return kept
  }

  func isEquivalent(_ a: Int, _ b: Int) -> Bool {
    a == b || closure(of: [a]).contains(b) && closure(of: [b]).contains(a)
  }

  /// Unique keys of a result whose columns stand for these elements (nil: for none), as places.
  func outputKeys(_ outputs: [Int?], extra: [Set<Int>]) -> [[Int]] {
    var candidates: [Set<Int>] = [[]]
    for source in sourceKeys {
      candidates = candidates.flatMap { set in source.map { set.union($0) } }
      candidates = Array(candidates.prefix(SQLLimits.keyCombinationsMax))
    }
    candidates += extra
    candidates.append(Set(outputs.compactMap(\.self)))
    var found: [[Int]] = []
    for candidate in candidates where determinesRow(candidate) {
      let minimal = minimized(candidate.sorted())
      let places = minimal.map { element in
        outputs.firstIndex { $0.map { isEquivalent($0, element) } ?? false }
      }
      guard places.allSatisfy({ $0 != nil }) else { continue }
      let key = places.compactMap(\.self).sorted()
      if !found.contains(key) { found.append(key) }
    }
    return Array(found.prefix(SQLLimits.keyCombinationsMax))
  }
}

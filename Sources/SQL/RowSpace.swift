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
/// - Bound: what a set determines is found in one pass over the dependencies.
struct RowSpace: Sendable {
  private struct Dependency: Sendable {
    let premises: Int
    let conclusion: [Int]
  }

  private(set) var columns: [RowColumn?] = []
  private(set) var marks: [Int] = []
  /// The keys of each source, as elements.
  private(set) var sourceKeys: [[Set<Int>]] = []
  private var dependencies: [Dependency] = []
  /// By element: the dependencies among whose premises it is.
  private var uses: [[Int]] = []
  /// What holds whatever is known.
  private var constants: [Int] = []

  /// Adds a source; its columns are the next elements.
  mutating func add(_ source: [RowColumn], keys given: [[Int]]) -> Range<Int> {
    let first = columns.count
    columns += source
    let range = first..<columns.count
    let mark = columns.count
    columns.append(nil)
    uses += Array(repeating: [], count: source.count + 1)
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
    uses.append([])
    return columns.count - 1
  }

  mutating func depend(_ premise: Set<Int>, _ conclusion: Set<Int>) {
    if premise.isEmpty { constants += conclusion.sorted() }
    for element in premise.sorted() { uses[element].append(dependencies.count) }
    dependencies.append(Dependency(premises: premise.count, conclusion: conclusion.sorted()))
  }

  mutating func equate(_ a: Int, _ b: Int) {
    depend([a], [b])
    depend([b], [a])
  }

  mutating func merge(_ element: Int) { columns[element]?.isMerged = true }

  mutating func makeNullable(_ range: Range<Int>) {
    for element in range { columns[element]?.nullable = true }
  }

  /// By element: whether `set` determines it. Of what is no element here nothing is known: a `*`
  /// beside groups, which is refused, gives columns that the groups do not have.
  ///
  /// - Bound: comes to each element and each dependency once (Beeri and Bernstein, 1979).
  func determined(by set: [Int], _ work: CheckWork) -> [Bool] {
    var known = [Bool](repeating: false, count: columns.count)
    var pending: [Int] = []
    for element in set + constants where element < known.count && !known[element] {
      known[element] = true
      pending.append(element)
    }
    guard !work.isSpent else { return known }
    var open = dependencies.map(\.premises)
    var steps = set.count + (columns.count + dependencies.count) / 4
    while let element = pending.popLast() {
      steps += 1 + uses[element].count
      for rule in uses[element] {
        open[rule] -= 1
        guard open[rule] == 0 else { continue }
        steps += dependencies[rule].conclusion.count
        for found in dependencies[rule].conclusion where !known[found] {
          known[found] = true
          pending.append(found)
        }
      }
    }
    work.charge(steps)
    return known
  }

  func determinesRow(_ set: [Int], _ work: CheckWork) -> Bool {
    let known = determined(by: set, work)
    return marks.allSatisfy { known[$0] }
  }

  /// `set` without what the rest determines.
  private func minimized(_ set: [Int], _ work: CheckWork) -> [Int] {
    var kept = set
    for element in set.reversed() where !work.isSpent {
      let rest = kept.filter { $0 != element }
      if determinesRow(rest, work) { kept = rest }
    }
    return kept
  }

  /// Unique keys of a result whose columns stand for these elements (nil: for none), as places.
  ///
  /// - Bound: what an element determines is found once.
  func outputKeys(_ outputs: [Int?], extra: [Set<Int>], _ work: CheckWork) -> [[Int]] {
    let outputs = outputs.map { $0.flatMap { $0 < columns.count ? $0 : nil } }
    var candidates = combinedKeys(work) + extra.map { $0.sorted() }
    candidates.append(Set(outputs.compactMap(\.self)).sorted())
    var reached: [Int: [Bool]] = [:]
    func reach(_ element: Int) -> [Bool] {
      if let known = reached[element] { return known }
      let known = determined(by: [element], work)
      reached[element] = known
      return known
    }
    func place(of element: Int) -> Int? {
      let own = reach(element)
      work.charge(outputs.count / 4)
      return outputs.firstIndex { output in
        guard let output else { return false }
        return output == element || own[output] && reach(output)[element]
      }
    }
    var found: [[Int]] = []
    for candidate in candidates where !work.isSpent && determinesRow(candidate, work) {
      let places = minimized(candidate, work).map(place)
      guard places.allSatisfy({ $0 != nil }) else { continue }
      let key = places.compactMap(\.self).sorted()
      if !found.contains(key) { found.append(key) }
    }
    return Array(found.prefix(SQLLimits.keyCombinationsMax))
  }

  /// A key of each source together, ascending; as many of such keys as are tried.
  private func combinedKeys(_ work: CheckWork) -> [[Int]] {
    var candidates: [Set<Int>] = [[]]
    for source in sourceKeys {
      var next: [Set<Int>] = []
      for set in candidates {
        for key in source.prefix(SQLLimits.keyCombinationsMax - next.count) {
          work.charge(2 * (set.count + key.count))
          next.append(set.union(key))
        }
      }
      candidates = next
    }
    return candidates.map { $0.sorted() }
  }
}

/// Which columns have equal values, by element.
struct Equalities: Sendable {
  private var parents: [Int: Int] = [:]
  /// By the element that stands for it here: how many are equal, and the least of them.
  private var classes: [Int: (count: Int, least: Int)] = [:]
  /// By the least of the elements that have it.
  private var constants: [Int: Literal] = [:]

  /// How many elements are equal to others.
  var count: Int { parents.count }

  /// The least of the equal ones stands for all, so that the order of conditions makes no
  /// difference.
  ///
  /// - Bound: as many links as the logarithm of how many are equal: the smaller class joins.
  func root(_ element: Int) -> Int {
    let top = top(element)
    return classes[top]?.least ?? top
  }

  private func top(_ element: Int) -> Int {
    var current = element
    while let parent = parents[current] { current = parent }
    return current
  }

  func constant(_ element: Int) -> Literal? { constants[root(element)] }

  mutating func unite(_ a: Int, _ b: Int) {
    let (first, second) = (top(a), top(b))
    guard first != second else { return }
    let (one, other) = (classes[first] ?? (1, first), classes[second] ?? (1, second))
    let (kept, gone) = one.count < other.count ? (second, first) : (first, second)
    parents[gone] = kept
    classes[gone] = nil
    classes[kept] = (one.count + other.count, min(one.least, other.least))
    let (least, later) = (min(one.least, other.least), max(one.least, other.least))
    if let value = constants[later], constants[least] == nil { constants[least] = value }
  }

  mutating func fix(_ element: Int, to value: Literal) {
    let place = root(element)
    if constants[place] == nil { constants[place] = value }
  }

  /// A term of elements, so that terms of equal values are equal.
  func normalized(_ term: KeyTerm) -> KeyTerm {
    switch term {
    case .column(let element): constant(element).map(KeyTerm.constant) ?? .column(root(element))
    case .constant: term
    case .lookup(let table, let column, let key, let arguments):
      .lookup(table: table, column: column, key: key, arguments: arguments.map(root))
    }
  }

  /// Whether both tell one key.
  func agree(_ a: [[KeyTerm]], _ b: [[KeyTerm]]) -> Bool {
    zip(a, b).allSatisfy { first, second in
      !Set(first.map(normalized)).isDisjoint(with: second.map(normalized))
    }
  }

  /// Whether rows with equal values of `known` have one key.
  func determines(_ known: Set<Int>, _ terms: [[KeyTerm]]) -> Bool {
    func isFixed(_ element: Int) -> Bool {
      known.contains(root(element)) || constant(element) != nil
    }
    return terms.allSatisfy { alternatives in
      alternatives.contains { term in
        switch term {
        case .constant: true
        case .column(let element): isFixed(element)
        case .lookup(_, _, _, let arguments): arguments.allSatisfy(isFixed)
        }
      }
    }
  }
}

/// The sources of one SELECT, with elements for their columns.
struct KeyScope: Sendable {
  struct Source: Sendable {
    let name: String
    let columns: [String]
    let elements: Range<Int>
    /// With elements for places.
    let keying: Keying
    let isOuter: Bool
    let place: Place
    /// Joined by USING on the right: only their qualified names mean them.
    var merged: Set<Int> = []
    /// What its LEFT JOIN compares, true where there is a match.
    var matches: [(Int, Int)] = []
  }

  var sources: [Source] = []
  /// Of every row that the SELECT gives.
  var equal = Equalities()
  /// What tells the key of each row, once the sources are known.
  var key: [[KeyTerm]]?
  /// The windows that the SELECT names.
  var windows: [(name: String, window: WindowSpecification)] = []

  var columnCount: Int { sources.reduce(0) { $0 + $1.columns.count } }

  /// nil when no source has the name or several have.
  func element(_ name: String, _ qualifier: String?) -> Int? {
    let found = elements(name, qualifier)
    return found.count == 1 ? found[0] : nil
  }

  func elements(_ name: String, _ qualifier: String?) -> [Int] {
    sources.flatMap { source -> [Int] in
      if let qualifier, !source.name.names(qualifier) { return [] }
      return source.columns.enumerated().compactMap { place, column in
        let element = source.elements.lowerBound + place
        guard column.names(name), qualifier != nil || !source.merged.contains(element) else {
          return nil
        }
        return element
      }
    }
  }

  /// What holds where the source at `index` has a row.
  func equalities(of index: Int) -> Equalities {
    var equal = equal
    for (a, b) in sources[index].matches { equal.unite(a, b) }
    return equal
  }

  /// The columns of PARTITION BY, those of the windows it builds on included.
  func partition(_ over: WindowReference, depth: Int = 0) -> [Expression] {
    guard depth < SQLLimits.subqueryDepthMax else { return [] }
    switch over {
    case .specified(let window):
      let base = window.base.map { partition(.named($0, window.place), depth: depth + 1) } ?? []
      return base + window.partition
    case .named(let name, _):
      guard let found = windows.first(where: { $0.name.names(name) })?.window else { return [] }
      return partition(.specified(found), depth: depth + 1)
    }
  }
}

extension Keying {
  /// Those that tell the key; empty where none are needed, or none do.
  var terms: [[KeyTerm]] {
    if case .keyed(let terms) = self { terms } else { [] }
  }

  /// The same with `change` made of each place.
  func moved(_ change: (Int) -> Int) -> Keying {
    switch self {
    case .keyed(let terms): .keyed(terms.map { $0.map { $0.moved(change) } })
    case .scoped(let places): .scoped(places.map { $0.map(change) })
    case .whole, .lost, .refused: self
    }
  }
}

extension KeyTerm {
  fileprivate func moved(_ change: (Int) -> Int) -> KeyTerm {
    switch self {
    case .column(let place): .column(change(place))
    case .constant: self
    case .lookup(let table, let column, let key, let arguments):
      .lookup(table: table, column: column, key: key, arguments: arguments.map(change))
    }
  }
}

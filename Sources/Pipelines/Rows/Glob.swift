/// A pattern with the meaning of SQLite's GLOB: `*`, `?`, `[a-z]`, `[^a-z]`, case-sensitive, over
/// Unicode scalars. See https://www.sqlite.org/lang_expr.html#glob.
///
/// - Bound: matching takes at most pattern × text steps; a star backtracks to the last star only.
package struct Glob: Sendable, Hashable {
  fileprivate enum Element: Sendable, Hashable {
    case anySequence
    case anyOne
    case scalar(UInt32)
    case set(negated: Bool, ranges: [ClosedRange<UInt32>])
  }

  private let elements: [Element]

  /// - Returns: nil when a bracket is not closed; SQLite's GLOB matches nothing then.
  package init?(_ pattern: String) {
    let scalars = pattern.unicodeScalars.map(\.value)
    var elements: [Element] = []
    var index = 0
    while index < scalars.count {
      switch scalars[index] {
      case 0x2a:
        if elements.last != .anySequence { elements.append(.anySequence) }
        index += 1
      case 0x3f:
        elements.append(.anyOne)
        index += 1
      case 0x5b:
        guard let (set, next) = Self.set(scalars, after: index + 1) else { return nil }
        elements.append(set)
        index = next
      default:
        elements.append(.scalar(scalars[index]))
        index += 1
      }
    }
    self.elements = elements
  }

  /// Reads a bracket expression. A `]` first in it stands for itself, so does a `-` at an end.
  private static func set(_ scalars: [UInt32], after start: Int) -> (Element, Int)? {
    var index = start
    var ranges: [ClosedRange<UInt32>] = []
    let negated = index < scalars.count && scalars[index] == 0x5e
    if negated { index += 1 }
    if index < scalars.count, scalars[index] == 0x5d {
      ranges.append(0x5d...0x5d)
      index += 1
    }
    var before: UInt32?
    while index < scalars.count, scalars[index] != 0x5d {
      let scalar = scalars[index]
      if scalar == 0x2d, let low = before, index + 1 < scalars.count,
        scalars[index + 1] != 0x5d
      {
        let high = scalars[index + 1]
        if low <= high { ranges.append(low...high) }
        before = nil
        index += 2
      } else {
        ranges.append(scalar...scalar)
        before = scalar
        index += 1
      }
    }
    guard index < scalars.count else { return nil }
    return (.set(negated: negated, ranges: ranges), index + 1)
  }

  package func matches(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    return matches(bytes.span, 0..<bytes.count)
  }

  /// - Precondition: the range is valid UTF-8.
  func matches(_ bytes: Bytes, _ range: Range<Int>) -> Bool {
    var at = range.lowerBound
    var element = 0
    var starElement: Int?
    var starAt = at
    while at < range.upperBound {
      if element < elements.count, elements[element] == .anySequence {
        starElement = element
        starAt = at
        element += 1
        continue
      }
      let (scalar, next) = Self.scalar(bytes, at)
      if element < elements.count, elements[element].admits(scalar) {
        at = next
        element += 1
      } else if let star = starElement {
        starAt = Self.scalar(bytes, starAt).next
        at = starAt
        element = star + 1
      } else {
        return false
      }
    }
    while element < elements.count, elements[element] == .anySequence { element += 1 }
    return element == elements.count
  }

  private static func scalar(_ bytes: Bytes, _ at: Int) -> (value: UInt32, next: Int) {
    let first = UInt32(bytes[at])
    if first < 0x80 { return (first, at + 1) }
    let count = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
    var value = first & (count == 2 ? 0x1f : count == 3 ? 0x0f : 0x07)
    for index in at + 1..<at + count { value = value << 6 | UInt32(bytes[index] & 0x3f) }
    return (value, at + count)
  }
}

extension Glob.Element {
  fileprivate func admits(_ scalar: UInt32) -> Bool {
    switch self {
    case .anySequence: false
    case .anyOne: true
    case .scalar(let own): own == scalar
    case .set(let negated, let ranges): ranges.contains { $0.contains(scalar) } != negated
    }
  }
}

import CSQLite
import Pipelines
import SQL
import Signing

extension Functions {
  /// Overrides whose work is metered by the byte.
  static let textual: [Scalar] = [
    Scalar(name: "replace", arguments: 3) { context, count, values in
      Invocation(context, count, values)?.replaced()
    },
    Scalar(name: "instr", arguments: 2) { context, count, values in
      Invocation(context, count, values)?.position()
    },
    Scalar(name: "like", arguments: 2) { context, count, values in
      Invocation(context, count, values)?.like()
    },
    Scalar(name: "like", arguments: 3) { context, count, values in
      Invocation(context, count, values)?.like()
    },
    Scalar(name: "glob", arguments: 2) { context, count, values in
      Invocation(context, count, values)?.glob()
    },
    Scalar(
      // Impure, or SQLite would call it once for a loop in which the other functions go on.
      name: FunctionTable.meter, arguments: 1, isPure: false,
      subtype: SQLITE_SUBTYPE | QUORATE_SQLITE_RESULT_SUBTYPE
    ) { context, count, values in Invocation(context, count, values)?.metered() },
  ]
}

extension Invocation {
  /// `replace(text, from, to)`; an empty `from` changes nothing, as in SQLite.
  func replaced() {
    guard !anyNull else { return giveNull() }
    let (text, from, to) = (bytes(0), bytes(1), bytes(2))
    state.meter(bytes: text.count + from.count)
    guard !from.isEmpty, from.count <= text.count else { return give(utf8: text) }
    let search = PartSearch(from)
    var out: [UInt8] = []
    out.reserveCapacity(text.count)
    var index = 0
    while let found = search.first(in: text, from: index) {
      out.append(contentsOf: text[index..<found])
      out.append(contentsOf: to)
      index = found + from.count
      guard out.count <= ExecutionLimits.valueBytesMax else {
        return sqlite3_result_error_toobig(context)
      }
    }
    out.append(contentsOf: text[index...])
    state.meter(bytes: out.count)
    out.withUnsafeBytes { give(utf8: $0) }
  }

  /// The argument as it is.
  func metered() {
    if !isNumber(0) { state.meter(bytes: bytes(0).count) }
    giveArgument()
  }

  /// `instr(text, part)`: from 1, in characters of a text, in bytes of two blobs; 0: not there.
  func position() {
    guard !anyNull else { return giveNull() }
    let areBlobs = type(0) == SQLITE_BLOB && type(1) == SQLITE_BLOB
    let (text, part) = (bytes(0), bytes(1))
    state.meter(bytes: text.count + part.count)
    guard !part.isEmpty else { return give(1) }
    let search = PartSearch(part)
    guard let found = search.first(in: text, from: 0) else { return give(0) }
    // The bytes behind the first of a UTF-8 character are 10xxxxxx.
    let before = areBlobs ? found : text[..<found].count { $0 & 0xc0 != 0x80 }
    give(Int64(before) + 1)
  }

  /// `glob(pattern, text)`, as the contract's `matches:` has it.
  func glob() {
    guard isPattern else { return }
    state.meter(bytes: bytes(1).count)
    give(Glob(text(0))?.matches(text(1)) == true ? 1 : 0)
  }

  /// Whether there is a pattern to look for; else the result is given.
  private var isPattern: Bool {
    guard !anyNull else {
      giveNull()
      return false
    }
    guard bytes(0).count <= ExecutionLimits.patternBytesMax else {
      fail("a pattern has at most \(ExecutionLimits.patternBytesMax) bytes")
      return false
    }
    return true
  }

  /// `like(pattern, text, escape)`, ASCII without case.
  func like() {
    guard isPattern else { return }
    let (pattern, text) = (bytes(0), bytes(1))
    var escape: UInt8?
    if count == 3 {
      guard bytes(2).count == 1, bytes(2)[0] < 0x80 else {
        return fail("an escape is one ASCII character")
      }
      escape = bytes(2)[0]
    }
    state.meter(bytes: text.count)
    let matcher = PatternMatcher(pattern: pattern, text: text, escape: escape)
    give(matcher.matches() ? 1 : 0)
  }
}

/// Looks for a part in time proportional to both together, as Knuth, Morris and Pratt do
/// (https://doi.org/10.1137/0206024): what a call costs is billed by its bytes.
struct PartSearch {
  private let part: UnsafeRawBufferPointer
  /// For each length the longest shorter start of the part that is its end too.
  private var borders: [Int32] = [0]

  /// - Precondition: the part is not empty.
  init(_ part: UnsafeRawBufferPointer) {
    self.part = part
    borders.reserveCapacity(part.count)
    var length = 0
    for index in 1..<part.count {
      length = longest(length, goingOnWith: part[index])
      borders.append(Int32(length))
    }
  }

  private func longest(_ matched: Int, goingOnWith byte: UInt8) -> Int {
    var length = matched
    while length > 0, part[length] != byte { length = Int(borders[length - 1]) }
    return part[length] == byte ? length + 1 : length
  }

  /// Where the part stands first at `start` or behind it.
  func first(in text: UnsafeRawBufferPointer, from start: Int) -> Int? {
    var length = 0
    for index in start..<text.count {
      length = longest(length, goingOnWith: text[index])
      if length == part.count { return index + 1 - length }
    }
    return nil
  }
}

/// LIKE over UTF-8, in time proportional to pattern times text.
struct PatternMatcher {
  private enum Part {
    case one(UInt8)
    case anyCharacter
    case anyRun
  }

  private let parts: [Part]
  private let text: UnsafeRawBufferPointer

  init(pattern: UnsafeRawBufferPointer, text: UnsafeRawBufferPointer, escape: UInt8?) {
    self.text = text
    var parts: [Part] = []
    var index = 0
    while index < pattern.count {
      let byte = pattern[index]
      index += 1
      if let escape, byte == escape, index < pattern.count {
        parts.append(.one(pattern[index]))
        index += 1
      } else if byte == 0x25 {
        parts.append(.anyRun)
      } else if byte == 0x5f {
        parts.append(.anyCharacter)
      } else {
        parts.append(.one(byte))
      }
    }
    self.parts = parts
  }

  /// Greedy with one point of return, since a later run makes an earlier one's choice final.
  func matches() -> Bool {
    var (part, place) = (0, 0)
    var (returnPart, returnPlace) = (-1, 0)
    while true {
      if part < parts.count, case .anyRun = parts[part] {
        (returnPart, returnPlace) = (part, place)
        part += 1
        continue
      }
      if part == parts.count && place == text.count { return true }
      if part < parts.count, place < text.count, let length = step(parts[part], at: place) {
        part += 1
        place += length
        continue
      }
      guard returnPart >= 0, returnPlace < text.count else { return false }
      returnPlace += characterLength(at: returnPlace)
      (part, place) = (returnPart + 1, returnPlace)
    }
  }

  /// - Returns: how many bytes of the text the part takes; nil when it does not match.
  private func step(_ part: Part, at place: Int) -> Int? {
    let byte = text[place]
    switch part {
    case .one(let wanted):
      return lower(wanted) == lower(byte) ? 1 : nil
    case .anyCharacter: return characterLength(at: place)
    case .anyRun: return nil
    }
  }

  private func characterLength(at place: Int) -> Int {
    var end = place + 1
    while end < text.count, text[end] & 0xc0 == 0x80 { end += 1 }
    return end - place
  }

  private func lower(_ byte: UInt8) -> UInt8 {
    byte >= 0x41 && byte <= 0x5a ? byte + 32 : byte
  }
}

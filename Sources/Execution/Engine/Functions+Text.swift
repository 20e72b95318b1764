import CSQLite
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
      Invocation(context, count, values)?.matches(glob: false)
    },
    Scalar(name: "like", arguments: 3) { context, count, values in
      Invocation(context, count, values)?.matches(glob: false)
    },
    Scalar(name: "glob", arguments: 2) { context, count, values in
      Invocation(context, count, values)?.matches(glob: true)
    },
  ]
}

extension Invocation {
  /// `replace(text, from, to)`; an empty `from` changes nothing, as in SQLite.
  func replaced() {
    guard !anyNull else { return giveNull() }
    let (text, from, to) = (bytes(0), bytes(1), bytes(2))
    state.meter(bytes: text.count)
    guard !from.isEmpty, from.count <= text.count else { return give(utf8: text) }
    var out: [UInt8] = []
    out.reserveCapacity(text.count)
    var index = 0
    while index < text.count {
      if index + from.count <= text.count, text[index] == from[0],
        text[index..<index + from.count].elementsEqual(from)
      {
        out.append(contentsOf: to)
        index += from.count
        guard out.count <= ExecutionLimits.valueBytesMax else {
          return sqlite3_result_error_toobig(context)
        }
      } else {
        out.append(text[index])
        index += 1
      }
    }
    state.meter(bytes: out.count)
    out.withUnsafeBytes { give(utf8: $0) }
  }

  /// `instr(text, part)`: from 1, in characters of a text, in bytes of two blobs; 0: not there.
  func position() {
    guard !anyNull else { return giveNull() }
    let areBlobs = type(0) == SQLITE_BLOB && type(1) == SQLITE_BLOB
    let (text, part) = (bytes(0), bytes(1))
    state.meter(bytes: text.count)
    guard !part.isEmpty else { return give(1) }
    guard part.count <= text.count else { return give(0) }
    var place: Int64 = 1
    for index in 0...(text.count - part.count) {
      // The bytes behind the first of a UTF-8 character are 10xxxxxx.
      if index > 0, areBlobs || text[index] & 0xc0 != 0x80 { place += 1 }
      if text[index] == part[0], text[index..<index + part.count].elementsEqual(part) {
        return give(place)
      }
    }
    give(0)
  }

  /// `like(pattern, text, escape)` and `glob(pattern, text)`, ASCII without case for LIKE.
  func matches(glob: Bool) {
    guard !anyNull else { return giveNull() }
    let (pattern, text) = (bytes(0), bytes(1))
    guard pattern.count <= ExecutionLimits.patternBytesMax else {
      return fail("a pattern has at most \(ExecutionLimits.patternBytesMax) bytes")
    }
    var escape: UInt8?
    if count == 3 {
      guard bytes(2).count == 1, bytes(2)[0] < 0x80 else {
        return fail("an escape is one ASCII character")
      }
      escape = bytes(2)[0]
    }
    state.meter(bytes: text.count)
    let matcher = PatternMatcher(pattern: pattern, text: text, glob: glob, escape: escape)
    give(matcher.matches() ? 1 : 0)
  }
}

/// LIKE and GLOB over UTF-8, in time proportional to pattern times text.
struct PatternMatcher {
  private enum Part {
    case one(UInt8)
    case anyCharacter
    case anyRun
    /// `[a-z]`; ranges of ASCII bytes.
    case set([ClosedRange<UInt8>], negated: Bool)
  }

  private let parts: [Part]
  private let text: UnsafeRawBufferPointer
  private let ignoresCase: Bool

  init(pattern: UnsafeRawBufferPointer, text: UnsafeRawBufferPointer, glob: Bool, escape: UInt8?) {
    self.text = text
    ignoresCase = !glob
    var parts: [Part] = []
    var index = 0
    while index < pattern.count {
      let byte = pattern[index]
      index += 1
      if let escape, byte == escape, index < pattern.count {
        parts.append(.one(pattern[index]))
        index += 1
      } else if byte == (glob ? 0x2a : 0x25) {
        parts.append(.anyRun)
      } else if byte == (glob ? 0x3f : 0x5f) {
        parts.append(.anyCharacter)
      } else if glob, byte == 0x5b, let set = Self.set(pattern, &index) {
        parts.append(set)
      } else {
        parts.append(.one(byte))
      }
    }
    self.parts = parts
  }

  private static func set(_ pattern: UnsafeRawBufferPointer, _ index: inout Int) -> Part? {
    var place = index
    var negated = false
    if place < pattern.count, pattern[place] == 0x5e {
      negated = true
      place += 1
    }
    var ranges: [ClosedRange<UInt8>] = []
    var isFirst = true
    while place < pattern.count, isFirst || pattern[place] != 0x5d {
      isFirst = false
      let low = pattern[place]
      if place + 2 < pattern.count, pattern[place + 1] == 0x2d, pattern[place + 2] != 0x5d {
        let high = pattern[place + 2]
        if low <= high { ranges.append(low...high) }
        place += 3
      } else {
        ranges.append(low...low)
        place += 1
      }
    }
    guard place < pattern.count else { return nil }
    index = place + 1
    return .set(ranges, negated: negated)
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
      return wanted == byte || (ignoresCase && lower(wanted) == lower(byte)) ? 1 : nil
    case .anyCharacter: return characterLength(at: place)
    case .anyRun: return nil
    case .set(let ranges, let negated):
      let found = ranges.contains { $0.contains(byte) }
      return found != negated ? characterLength(at: place) : nil
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

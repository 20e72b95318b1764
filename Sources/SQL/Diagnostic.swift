import Wire

/// One SQL text and the name of the file that the user knows it by.
package struct SQLText: Sendable, Hashable {
  package let file: String
  package let text: String

  package init(file: String, text: String) {
    self.file = file
    self.text = text
  }
}

/// A place in a text: line and column count from 1, columns in Unicode scalars.
package struct Place: Sendable, Hashable {
  package let line: Int
  package let column: Int
  /// Offset in UTF-8 bytes from the start of the text.
  let offset: Int

  package init(line: Int, column: Int, offset: Int = 0) {
    self.line = line
    self.column = column
    self.offset = offset
  }
}

/// A refusal of a text, with its rule, its place and a fix that can be pasted.
///
/// `rule` is a rule of deterministic-sql.md (`QD01` to `QD48`) or one of ours:
/// `SQL01` syntax, `SQL02` characters, `SQL03` a limit, `SQL04` outside of the subset,
/// `SQL05` unknown name, `SQL06` ambiguous or duplicate name, `SQL07` a layer that may not be read,
/// `SQL08` arguments of a function, `SQL09` misplaced aggregate or window function,
/// `SQL10` template token, `SQL11` rows of other keys in what is computed for one.
package struct Diagnostic: Error, Sendable, Hashable, CustomStringConvertible {
  package let rule: String
  package let file: String
  package let place: Place
  /// What is wrong, in a few words.
  package let message: String
  /// Why it is refused; stands beside the caret.
  package let reason: String
  package let sourceLine: String
  package let fix: String?

  package var description: String { rendered(as: "error") }

  /// The form shown to users: header, source line, caret with the reason, fix.
  package func rendered(as severity: String) -> String {
    let number = String(place.line)
    let margin = String(repeating: " ", count: number.utf8.count)
    let indent = String(repeating: " ", count: max(0, place.column - 1))
    var text = "\(file):\(place.line):\(place.column): \(severity) \(rule): \(message)\n"
    text += "  \(number) |   \(sourceLine)\n"
    text += "  \(margin) |   \(indent)^ \(reason)"
    if let fix { text += "\n  fix: \(fix)" }
    return text
  }
}

/// What `check` throws: at least one refusal.
package struct Diagnostics: Error, Sendable, CustomStringConvertible {
  package let list: [Diagnostic]

  package init(_ list: [Diagnostic]) {
    precondition(!list.isEmpty, "a refusal needs a reason")
    self.list = list
  }

  package var description: String {
    list.map(\.description).joined(separator: "\n")
  }
}

extension SQLText {
  /// Makes the refusal of something that stands at `place` in this text.
  func refusal(
    _ rule: String, at place: Place, _ message: String, because reason: String, fix: String? = nil
  ) -> Diagnostic {
    Diagnostic(
      rule: rule, file: file, place: place, message: message, reason: reason,
      sourceLine: line(around: place.offset), fix: fix)
  }

  /// The whole line that holds the byte at `offset`, with tabs shown as one space.
  func line(around offset: Int) -> String {
    let bytes = Array(text.utf8)
    var start = min(offset, bytes.count)
    while start > 0, bytes[start - 1] != 10 { start -= 1 }
    var end = min(offset, bytes.count)
    while end < bytes.count, bytes[end] != 10 { end += 1 }
    let printable = bytes[start..<end].map { $0 < 32 ? 32 : $0 }
    return String(decoding: printable, as: UTF8.self).trimmedAtEnd
  }

  /// The text between two byte offsets, with every run of white space as one space.
  func slice(from start: Int, to end: Int) -> String {
    let bytes = Array(text.utf8)
    guard start >= 0, start < end, end <= bytes.count else { return "" }
    var kept: [UInt8] = []
    for byte in bytes[start..<end] {
      let byte = byte <= 32 ? 32 : byte
      if byte == 32, kept.isEmpty || kept.last == 32 { continue }
      kept.append(byte)
    }
    return String(decoding: kept, as: UTF8.self).trimmedAtEnd
  }
}

extension String {
  var trimmedAtEnd: String {
    var bytes = Array(utf8)
    while let last = bytes.last, last <= 32 { bytes.removeLast() }
    return String(decoding: bytes, as: UTF8.self)
  }

  func names(_ other: String) -> Bool {
    utf8.count == other.utf8.count
      && zip(utf8, other.utf8).allSatisfy { $0 == $1 || $0.foldedLetter == $1.foldedLetter }
  }
}

extension UInt8 {
  /// As `folded` has it.
  fileprivate var foldedLetter: UInt8 { self >= 65 && self <= 90 ? self + 32 : self }
}

/// The text of a statement, by which it is found again.
///
/// - Safety: equal where the bytes are. What Unicode holds for the same, as two spellings of é,
///   asks for different rows, and which of them a connection met first is no one's to say.
package struct StatementText: Hashable, Sendable {
  private let text: String

  package init(_ text: String) { self.text = text }

  package static func == (a: Self, b: Self) -> Bool { a.text.utf8.elementsEqual(b.text.utf8) }

  package func hash(into hasher: inout Hasher) {
    var text = text
    text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
  }
}

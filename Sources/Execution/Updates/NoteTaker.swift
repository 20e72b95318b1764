import Wire

/// Counts violations by name, with the first row and message of each.
///
/// - Bound: `Limits.receiptNotesMax` names; the rest is counted under `more`.
struct NoteTaker {
  private var notes: [Note] = []

  /// - Parameter count: how often it was violated.
  /// - Parameter row: the first row that did, from 1; 0 where it is about no row of the batch.
  mutating func add(
    _ name: String, count: UInt32 = 1, row: UInt32, message: @autoclosure () -> String
  ) {
    let short = name.cut(to: Limits.nameBytesMax)
    if let index = notes.firstIndex(where: { $0.name == short }) {
      let known = notes[index]
      notes[index] = Note(
        name: known.name, count: known.count &+ count, firstRow: known.firstRow,
        message: known.message)
      return
    }
    guard notes.count < Limits.receiptNotesMax - 1 || short == Self.more else {
      add(Self.more, count: count, row: row, message: "further rules are not listed")
      return
    }
    notes.append(
      Note(
        name: short, count: count, firstRow: row,
        message: message().cut(to: ExecutionLimits.noteBytesMax)))
  }

  private static let more = "more"

  var sorted: [Note] { notes.sorted { $0.name < $1.name } }
}

extension String {
  /// As many whole characters as fit into so many bytes of UTF-8.
  func cut(to bytes: Int) -> String {
    guard utf8.count > bytes else { return self }
    var end = utf8.index(startIndex, offsetBy: bytes)
    while end > startIndex, UTF8.isContinuation(utf8[end]) { end = utf8.index(before: end) }
    return String(self[..<end])
  }
}

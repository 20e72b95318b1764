import Wire

/// One test of a package: updates in the order that consensus gives them, and what must then be
/// there. Tests stay with their author and are no part of what is deployed.
package struct UnitTest: Sendable {
  package let name: String
  package let place: Places.Place
  /// Block time of the first step, and of the deploy and the grants before it.
  package let at: Moment
  /// Counted from 1 in messages and in the test's file.
  package let steps: [Step]
  package let receipts: [ReceiptClaim]
  /// Steps after which the root over all tables is what it was before.
  package let rootUnchangedBy: [Int]
  package let tables: [TableClaim]

  /// Block time where a test says none: 2100-01-01, ahead of whatever its rows say.
  package static let atUsual: Moment = 4_102_444_800_000

  package struct Step: Sendable {
    package let place: Places.Place
    /// Block time, exactly. Where a test says none: a second after the step before.
    package let at: Moment
    package let sender: Sender
    package let act: Act
  }

  package enum Sender: Sendable, Hashable {
    case owner
    /// An unsigned call.
    case anyone
    case role(String)
  }

  package enum Act: Sendable {
    case ingest(source: String, format: RowFormat, body: [UInt8], key: String?)
    /// Looks at the whole quarantine of a source again.
    case release(source: String)
    case call(procedure: String, body: [UInt8], key: String?)
    /// Sends an earlier step again, byte for byte.
    case replay(Int)
  }

  /// What the receipt of a step says; what is nil is not looked at.
  package struct ReceiptClaim: Sendable {
    package var step: Int
    package var place: Places.Place
    package var replayed: Bool?
    package var applied: Bool?
    package var code: String?
    /// By the name of the count: `accepted`, `quarantined`, `dropped`, `duplicates`, `late`.
    package var counts: [(name: String, count: UInt32)] = []
    /// A rule or expectation that the receipt notes, and how often.
    package var notes: [(name: String, count: UInt32)] = []

    package static let countNames = ["accepted", "quarantined", "dropped", "duplicates", "late"]
  }

  /// The rows that a table holds, no more and no fewer, in any order.
  package struct TableClaim: Sendable {
    /// As the test names it.
    package let name: String
    /// In SQLite.
    package let table: String
    package let place: Places.Place
    package let columns: [ModelColumn]
    package let rows: [Row]

    /// Columns that a row does not name may hold anything.
    package struct Row: Sendable {
      package let place: Places.Place
      package let cells: [Cell]
    }

    package struct Cell: Sendable {
      /// The place among the claim's columns.
      package let column: Int
      package let value: StoredValue
      /// The text that is there holds this one: for the reasons of a quarantined row.
      package let isPart: Bool
    }
  }
}

extension UnitTest {
  /// A test without steps: what it is called says of the package as a whole what should hold.
  package init(ofPackage name: String, at: Moment) {
    self.init(
      name: name, place: Places.Place(file: "pipeline.yaml", line: 1, column: 1), at: at, steps: [],
      receipts: [], rootUnchangedBy: [], tables: [])
  }
}

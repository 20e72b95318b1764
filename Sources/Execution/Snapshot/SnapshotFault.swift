import Certification
import Storage

/// Why there is no snapshot.
package enum SnapshotFault: Error, CustomStringConvertible {
  /// The rows, or what certifies them, are not what they must be.
  case wrong(CheckFault)
  /// The disk, memory, locks of this machine.
  case machine(StorageFault)

  init(_ fault: StorageFault) {
    switch fault.kind {
    case .statement, .denied, .interrupted:
      self = .wrong(CheckFault(.file, "what it holds does not fit together (\(fault.message))"))
    case .environment where fault.isDamage:
      self = .wrong(CheckFault(.file, "it is damaged, or no SQLite file (\(fault.message))"))
    case .environment: self = .machine(fault)
    }
  }

  package var description: String {
    switch self {
    case .wrong(let fault): fault.description
    case .machine(let fault): fault.description
    }
  }
}

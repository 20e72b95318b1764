import Certification
import Foundation
import NodeShell
import QuorateClient
import Synchronization
import Wire

/// Who is up, when an update does not come back.
struct Awaited: Equatable {
  let up: Int
  let quorum: Int
  /// Processes of this machine that do not run.
  var down: [ReplicaID] = []
  /// Replicas that run here, or elsewhere, and do not answer.
  var silent: [ReplicaID] = []
  /// Whether the silent ones run on this machine.
  var isLocal = true
  /// ` --cluster DIR` where it was given.
  var option = ""

  private var size: Int { up + down.count + silent.count }

  /// What is missing, and the command that brings it back.
  var text: String {
    guard up < quorum else {
      return "\(up) of \(size) replicas are up, which suffices; 'quorate cluster why' says what is "
        + "awaited."
    }
    var words = "\(up) of \(size) replicas are up, \(quorum) \(quorum == 1 ? "is" : "are") needed."
    if !silent.isEmpty {
      let names = list(silent)
      let ids = silent.map(\.description).joined(separator: " ")
      words +=
        isLocal
        ? " Running without an answer: \(names) "
          + "(if paused: quorate cluster resume \(ids)\(option))."
        : " \(names) run on machines of their own: see there that 'quorate replica run' runs."
    }
    if !down.isEmpty {
      let ids = down.map(\.description).joined(separator: " ")
      words +=
        down.count == size
        ? " Start them: quorate cluster up --detach\(option)"
        : " Start the others: quorate cluster start \(ids)\(option)"
    }
    return words
  }
}

/// How long it is since something came back.
final class Watch: Sendable {
  private let moved = Mutex(ContinuousClock.now)

  func touch() { moved.withLock { $0 = .now } }
  func isStill(for span: Duration) -> Bool { moved.withLock { ContinuousClock.now - $0 >= span } }
}

extension Session {
  /// How long an update goes on being offered where nothing listens.
  static let patienceRefused = Span.milliseconds(1_500)

  /// Submits, and says what is awaited where that takes longer than two seconds.
  func submit(_ intention: Intention) async throws -> CertifiedReceipt {
    var intention = intention
    intention.patienceRefused = Self.patienceRefused
    do {
      return try await watched { _ in try await client.submit(intention) }
    } catch let failure as ClientFailure {
      throw Failure(await explained(failure))
    }
  }

  /// Runs what waits for replicas, and tells on stderr whom it waits for.
  func watched<Result: Sendable>(
    _ body: (Watch) async throws -> Result
  ) async throws -> Result {
    let watch = Watch()
    let speaker = Task { await speak(watch) }
    defer { speaker.cancel() }
    return try await body(watch)
  }

  private func speak(_ watch: Watch) async {
    var said: Awaited?
    while !Task.isCancelled {
      try? await Task.sleep(for: .milliseconds(250))
      guard !Task.isCancelled, watch.isStill(for: .seconds(2)) else { continue }
      let awaited = await awaited()
      let isWorthWords = awaited.up < awaited.quorum || watch.isStill(for: .seconds(10))
      guard isWorthWords, awaited != said, !Task.isCancelled else { continue }
      Terminal.warn("Waiting: \(awaited.text)")
      said = awaited
    }
  }

  /// By the word of each replica, and by the processes of this machine.
  func awaited() async -> Awaited {
    let local = try? LocalCluster(location.folder)
    var awaited = Awaited(
      up: 0, quorum: network.committee.quorum, isLocal: local != nil,
      option: location.directory.map { " --cluster \($0)" } ?? "")
    var up = 0
    for (id, result) in await client.statuses() {
      if case .success = result {
        up += 1
      } else if let local, local.processes.contains(where: { $0.id == id }),
        local.process(id).pid == nil
      {
        awaited.down.append(id)
      } else {
        awaited.silent.append(id)
      }
    }
    return Awaited(
      up: up, quorum: awaited.quorum, down: awaited.down, silent: awaited.silent,
      isLocal: awaited.isLocal, option: awaited.option)
  }

  /// A failure with the next step, in the words of the command line.
  func explained(_ failure: ClientFailure) async -> String {
    if failure.nobodyListens {
      let words =
        failure.kind == .unreachable
        ? "\(failure.what): nobody listens [\(failure.code)]" : "\(failure)"
      return "\(words)\n\(await awaited().text)"
    }
    let name = signerName ?? "NAME"
    // One that was ordered is paid for, refused or not.
    let cost = failure.receipt.map { $0.proof.receipt.charged.number } ?? 0
    return "\(failure)"
      + (cost > 0 ? "\nIt cost \(grouped(cost)) cycles all the same." : "")
      + (Advice.after(failure.code, failure.why, signer: name).map { "\n\($0)" } ?? "")
  }
}

/// Next steps that only the command line knows.
enum Advice {
  static func after(_ code: String, _ why: String, signer: String) -> String? {
    switch code {
    case "INSUFFICIENT_CYCLES":
      let missing = missingCycles(why).map(roundedUp) ?? "AMOUNT"
      return "Somebody who has cycles gives them: quorate cycles transfer \(signer) \(missing) "
        + "--as operator"
    case "STEP_LIMIT" where why.contains("step limit"): return "More steps: --steps NUMBER"
    case "DROP_REFUSED":
      guard let names = why.firstMatch(of: #/would drop (.+?) and what is in there/#)?.1 else {
        return nil
      }
      let options = names.split(separator: ", ").map { "--drop \($0)" }
      return "Or let it go this once: \(options.joined(separator: " "))"
    default: return nil
    }
  }

  /// The last number that such a refusal names is the balance; what comes before it is wanted.
  private static func missingCycles(_ why: String) -> UInt64? {
    let numbers = why.matches(of: #/\d{1,20}/#).compactMap { UInt64($0.output) }
    guard numbers.count >= 2, let balance = numbers.last else { return nil }
    let wanted = numbers.dropLast().reduce(UInt64(0)) {
      $0.addingReportingOverflow($1).partialValue
    }
    return wanted > balance ? wanted - balance : nil
  }

  /// As an amount that the command line takes: `156G`.
  static func roundedUp(_ cycles: UInt64) -> String {
    let units: [(UInt64, String)] = [
      (1_000_000_000_000, "T"), (1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k"),
    ]
    for (size, name) in units where cycles >= 10 * size {
      return "\(cycles / size + (cycles % size == 0 ? 0 : 1))\(name)"
    }
    return "\(cycles)"
  }
}

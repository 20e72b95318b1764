import Certification
import Wire

extension SourceProgress {
  /// How many batches of a file may be under way at once. Several are ordered as they come, so a
  /// source that holds late rows back gets one: else rows in order would become late.
  package var inFlightUsual: Int {
    late == "quarantine" || late == "reject" ? 1 : ClientLimits.batchesInFlightUsual
  }
}

extension Client {
  /// Submits intentions as they come, up to `inFlight` at a time, and reports each as it ends, in
  /// the order of their ends.
  /// - Throws: the first failure; intentions that were under way have ended by then, none follows.
  package func ingest<Batches: AsyncSequence & Sendable>(
    _ batches: Batches, inFlight: Int = ClientLimits.batchesInFlightUsual,
    each: @Sendable (_ batch: Int, CertifiedReceipt) async -> Void
  ) async throws(ClientFailure)
  where Batches.Element == Intention {
    let width = max(1, min(inFlight, ClientLimits.batchesInFlightMax))
    var failure: ClientFailure?
    await withTaskGroup(of: (Int, Result<CertifiedReceipt, ClientFailure>).self) { group in
      var running = 0
      var number = 0
      var batches = batches.makeAsyncIterator()
      while failure == nil {
        do {
          guard let batch = try await batches.next() else { break }
          let index = number
          group.addTask { (index, await self.outcome(of: batch)) }
          number += 1
          running += 1
        } catch {
          failure = ClientFailure(
            .invalid, "INPUT", what: "the rows cannot be read", why: "\(error)", next: "")
        }
        if running >= width, let ended = await group.next() {
          running -= 1
          await settle(ended, &failure, each)
        }
      }
      while let ended = await group.next() { await settle(ended, &failure, each) }
    }
    if let failure { throw failure }
  }

  private func settle(
    _ ended: (Int, Result<CertifiedReceipt, ClientFailure>), _ failure: inout ClientFailure?,
    _ each: @Sendable (Int, CertifiedReceipt) async -> Void
  ) async {
    switch ended.1 {
    case .success(let receipt): await each(ended.0, receipt)
    case .failure(var new):
      new.batch = ended.0
      failure = failure ?? new
    }
  }

  private func outcome(of intention: Intention) async -> Result<CertifiedReceipt, ClientFailure> {
    do throws(ClientFailure) {
      return .success(try await submit(intention))
    } catch {
      return .failure(error)
    }
  }
}

import Signing
import Wire

/// The one chain: what correct replicas finalized, by height.
struct ChainBook {
  private(set) var headers: [Header] = []
  private(set) var digests: [Digest] = []
  /// How far each machine has told.
  var told: [Int: Height] = [:]

  /// The highest finalized height; 0 is genesis.
  var height: Height { Height(UInt64(headers.count)) }

  func header(at height: Height) -> Header? {
    height >= 1 && height <= self.height ? headers[Int(height.number) - 1] : nil
  }

  func digest(at height: Height) -> Digest? {
    height >= 1 && height <= self.height ? digests[Int(height.number) - 1] : nil
  }

  fileprivate mutating func append(_ header: Header, _ digest: Digest) {
    headers.append(header)
    digests.append(digest)
  }
}

extension Oracle {
  func finalized(_ height: Height, _ view: View, _ header: Header, by machine: Int) {
    guard machines[machine].correct else { return }
    if header.height != height || header.view != view {
      report(.agreement, machine, view, "tells of height \(height) with another block's header")
    }
    let told = chain.told[machine] ?? 0
    if height > told.next {
      report(.agreement, machine, view, "finalizes height \(height) right after height \(told)")
    }
    chain.told[machine] = max(told, height)
    if let known = chain.header(at: height) {
      if known != header {
        report(
          .agreement, machine, view,
          "finalizes \(header.digest) at height \(height), where another replica finalized "
            + "\(chain.digest(at: height)?.short ?? "")")
      }
      return
    }
    guard height == chain.height.next else {
      report(.agreement, machine, view, "finalizes height \(height) above \(chain.height)")
      return
    }
    let digest = header.digest
    if height > 1, header.parent != chain.digest(at: chain.height) {
      report(.agreement, machine, view, "finalizes height \(height) on another parent")
    }
    if views.of(view).notarized != digest {
      report(.oneNotarization, machine, view, "finalizes view \(view), which was not notarized")
    }
    chain.append(header, digest)
  }

  /// A machine starts anew; what it finalized before it may tell again.
  func restarted(_ machine: Int, at height: Height) { chain.told[machine] = height }
}

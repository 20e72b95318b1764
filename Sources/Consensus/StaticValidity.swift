import Signing
import Wire

/// What is wrong with a block whatever the clock says and whatever the state is; nil when nothing
/// is. A pure function, so all correct replicas agree on it.
///
/// - Parameters:
///   - bodies: the calls that the header names, in its order, their envelopes verified.
///   - known: a state certificate that was verified before, so that it need not be again.
package func staticFault(
  _ header: Header, bodies: [VerifiedCall], parent: Header, parentDigest: Digest,
  committee: Committee, verifier: Verifier, known: StateCertificate? = nil
) -> String? {
  bodiesFault(header, bodies: bodies)
    ?? linkFault(header, parent: parent, parentDigest: parentDigest, committee: committee)
    ?? certifiedFault(header, committee: committee, verifier: verifier, known: known)
}

/// The part that concerns the calls alone.
package func bodiesFault(_ header: Header, bodies: [VerifiedCall]) -> String? {
  guard header.calls.count <= Limits.callsPerBlockMax else {
    return "\(header.calls.count) calls, at most \(Limits.callsPerBlockMax) are allowed"
  }
  guard zip(header.calls, header.calls.dropFirst()).allSatisfy({ $0 < $1 }) else {
    return "its calls are not in strictly ascending order"
  }
  guard bodies.count == header.calls.count,
    zip(bodies, header.calls).allSatisfy({ $0.digest == $1 })
  else { return "its bodies are not those that the header names" }
  guard bodies.allSatisfy({ $0.signed.call.subnet == header.subnet }) else {
    return "a call of another subnet"
  }
  let bytes = bodies.reduce(0) { $0 + $1.signed.body.count }
  guard bytes <= Limits.blockBytesMax else {
    return "\(bytes) bytes of bodies, at most \(Limits.blockBytesMax) are allowed"
  }
  var steps: UInt64 = 0
  for body in bodies {
    let (sum, overflow) = steps.addingReportingOverflow(body.signed.call.stepsClaimed)
    guard !overflow, sum <= Limits.stepsPerBlockMax else {
      return "its calls declare more than \(Limits.stepsPerBlockMax) steps together"
    }
    steps = sum
  }
  return nil
}

/// The part that concerns the place in the chain.
package func linkFault(
  _ header: Header, parent: Header, parentDigest: Digest, committee: Committee
) -> String? {
  guard header.subnet == committee.subnet else { return "it is of another subnet" }
  guard header.epoch == committee.epoch else { return "it is of epoch \(header.epoch)" }
  guard header.parent == parentDigest else { return "its parent is another block" }
  guard header.parentView == parent.view else {
    return "its parent is of view \(parent.view), not \(header.parentView)"
  }
  guard header.view > parent.view else { return "its view is not above its parent's" }
  guard header.height == parent.height.next, header.height > parent.height else {
    return "height \(header.height) does not follow \(parent.height)"
  }
  guard header.time > parent.time else { return "its time is not above its parent's" }
  return nil
}

/// The part that concerns the state certificate in the header, and the bound `W` that hangs on it.
package func certifiedFault(
  _ header: Header, committee: Committee, verifier: Verifier, known: StateCertificate?,
  isBounded: Bool = true
) -> String? {
  if let certified = header.certified {
    guard certified.height < header.height else {
      return "its state certificate is of height \(certified.height), not below it"
    }
    guard certified == known || verifier.verify(certified, in: committee) != nil else {
      return "its state certificate does not verify"
    }
  }
  guard isBounded else { return nil }
  let certified = header.certified?.height ?? 0
  guard header.calls.isEmpty || header.height.above(certified) <= Limits.uncertifiedHeightsMax
  else {
    return "it holds calls \(header.height.above(certified)) heights above the last certified one"
  }
  return nil
}

/// A view of bytes that somebody else owns. `Wire` has a `Span` of time, so this one has a name.
typealias Bytes = Swift.Span<UInt8>

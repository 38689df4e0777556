namespace SimpleIpc
{
    /// <summary>One item of a stream; where there is none, the stream has ended.</summary>
    /// <typeparam name="T">What the other side sends: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes of JSON.</typeparam>
    public readonly struct IpcItem<T>
    {
        internal IpcItem(T data) => Data = data;

        /// <summary>What was sent.</summary>
        public T Data { get; }
    }
}

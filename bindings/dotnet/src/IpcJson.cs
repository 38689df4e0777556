using System.Text.Json;
using SimpleIpc.Values;

namespace SimpleIpc
{
    /// <summary>How this library makes JSON of values, and values of JSON, where <see cref="IpcOptions.Json"/> is not set.</summary>
    public static class IpcJson
    {
        /// <summary>
        /// New options for System.Text.Json that do as the library does by itself, to be changed and given to
        /// <see cref="IpcOptions.Json"/>: names in camelCase, read without regard to case; enums as their names; and
        /// converters that refuse what would lose something on its way, with its place in the text.
        /// </summary>
        /// <remarks>
        /// A converter that is put before those that are there, with <c>Converters.Insert(0, …)</c>, has its own way with a
        /// type that the library refuses, and so has one that stands in a <c>[JsonConverter]</c> attribute.
        /// </remarks>
        public static JsonSerializerOptions CreateOptions() => JsonDefaults.Create(reads: false);
    }
}

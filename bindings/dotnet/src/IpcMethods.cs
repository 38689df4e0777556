using System;
using System.Collections;
using System.Collections.Generic;
using System.Linq;
using System.Text.Json;
using System.Threading;
using System.Threading.Tasks;
using SimpleIpc.Native;

namespace SimpleIpc
{
    /// <summary>
    /// A table of functions that is one listener's handler: the message <c>{"method": "add", "params": [1, 2]}</c> calls the
    /// function <c>add</c> with 1 and 2, params that are an object by the names of its parameters. A parameter of type
    /// <see cref="IpcContext"/> is the message's context, and no caller gives it.
    /// <code>
    /// var methods = new IpcMethods { { "add", (int a, int b) => a + b } };
    /// using IpcListener listener = Ipc.ListenUdsRequest("calc", methods);
    /// </code>
    /// </summary>
    /// <remarks>
    /// What cannot be called fails with <see cref="IpcStatus.HandlerFailed"/>, and with <c>invalid_request</c>,
    /// <c>method_not_found</c> or <c>invalid_params</c> as the <see cref="IpcException.HandlerCode"/>. Functions run as handlers do,
    /// several at once. A listener has the functions that were there when it started.
    /// </remarks>
    public sealed partial class IpcMethods : IEnumerable<string>
    {
        private static readonly JsonDocumentOptions Reading = new JsonDocumentOptions { MaxDepth = 500 };

        private readonly Dictionary<string, Method> methods;

        /// <summary>A table without functions; a collection initializer, or <c>Add</c>, puts some in.</summary>
        public IpcMethods() => methods = new Dictionary<string, Method>(StringComparer.Ordinal);

        private IpcMethods(IpcMethods other) => methods = new Dictionary<string, Method>(other.methods, StringComparer.Ordinal);

        /// <summary>The names.</summary>
        public IEnumerator<string> GetEnumerator() => methods.Keys.GetEnumerator();

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

        /// <summary>The message that calls a method.</summary>
        internal static IpcMessage Message(string method, object?[] parameters, JsonSerializerOptions? json)
        {
            if (method is null)
            {
                throw new ArgumentNullException(nameof(method));
            }
            // Piece by piece: the program's own options may have other names for the members of an object.
            var text = new List<byte>();
            void Put(string ascii) => text.AddRange(ascii.Select(character => (byte)character));
            Put("{\"method\":");
            text.AddRange(Body.From(method, null, "method").Data.ToArray());
            for (int index = 0; index < parameters.Length; index++)
            {
                Put(index == 0 ? ",\"params\":[" : ",");
                Outgoing written = Body.From(parameters[index], json, $"params[{index}]");
                if (!written.IsJson)
                {
                    throw new IpcException(
                        IpcStatus.InvalidJson,
                        $"cannot call \"{method}\": params[{index}] is bytes; JSON has no such value: send bytes as a request of their own, or as text");
                }
                text.AddRange(written.Data.ToArray());
            }
            Put(parameters.Length == 0 ? "}" : "]}");
            return IpcMessage.FromJson(text.ToArray());
        }

        /// <summary>It as it is now, as a handler.</summary>
        internal Func<IpcMessage, IpcContext, Task<object?>> Handler(JsonSerializerOptions? json)
        {
            if (methods.Count == 0)
            {
                throw new IpcException(IpcStatus.InvalidArgument, "the table of methods is empty: add at least one function");
            }
            return new IpcMethods(this).Table(json);
        }

        private Func<IpcMessage, IpcContext, Task<object?>> Table(JsonSerializerOptions? json) => (message, context) =>
        {
            JsonElement call = default;
            if (message.IsJson)
            {
                using JsonDocument document = JsonDocument.Parse(message.Data, Reading);
                call = document.RootElement.Clone();
            }
            if (call.ValueKind != JsonValueKind.Object || !call.TryGetProperty("method", out JsonElement named)
                || named.ValueKind != JsonValueKind.String)
            {
                throw new HandlerException(
                    "a call is an object with the name of a method: {\"method\": \"name\", \"params\": [...]}", "invalid_request");
            }
            string name = named.GetString()!;
            if (!methods.TryGetValue(name, out Method? method))
            {
                throw Refusal("method_not_found", $"there is no method \"{name}\"", named);
            }
            if (!call.TryGetProperty("params", out JsonElement parameters))
            {
                parameters = default;
            }
            return method.Run(new Arguments(method.Bind(named, parameters), named, context, json));
        };

        private static HandlerException Refusal(string code, string text, JsonElement method)
        {
            using JsonDocument data = JsonDocument.Parse($"{{\"method\":{method.GetRawText()}}}");
            return new HandlerException(text, code, data.RootElement.Clone());
        }

        private void Put(string name, Delegate function, Type[] types, Func<Arguments, Task<object?>> run)
        {
            if (name is null)
            {
                throw new ArgumentNullException(nameof(name));
            }
            if (function is null)
            {
                throw new ArgumentNullException(nameof(function));
            }
            // A delegate over an extension method has its first argument already.
            string[] names = function.Method.GetParameters().Select(parameter => parameter.Name ?? "").ToArray();
            names = names.Skip(names.Length - types.Length).ToArray();
            if (!methods.TryAdd(name, new Method(names, types, run)))
            {
                throw new IpcException(IpcStatus.InvalidArgument, $"there is a method \"{name}\" already: a name stands for one function");
            }
        }

        private static async IAsyncEnumerable<object?> Boxed<T>(
            IAsyncEnumerable<T> items, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken token = default)
        {
            await foreach (T item in items.WithCancellation(token).ConfigureAwait(false))
            {
                yield return item;
            }
        }

        /// <summary>One function.</summary>
        private sealed class Method
        {
            private readonly string[] names;
            private readonly Type[] types;
            private readonly int taken;

            internal Method(string[] names, Type[] types, Func<Arguments, Task<object?>> run)
            {
                this.names = names;
                this.types = types;
                taken = types.Count(type => type != typeof(IpcContext));
                Run = run;
            }

            internal Func<Arguments, Task<object?>> Run { get; }

            /// <summary>What a caller gives for each parameter, in their order; nothing for a context.</summary>
            internal JsonElement[] Bind(JsonElement name, JsonElement given)
            {
                var bound = new JsonElement[types.Length];
                switch (given.ValueKind)
                {
                    case JsonValueKind.Undefined:
                    case JsonValueKind.Array:
                        int count = given.ValueKind == JsonValueKind.Array ? given.GetArrayLength() : 0;
                        if (count != taken)
                        {
                            throw Refusal("invalid_params", $"method \"{name.GetString()}\" takes {taken} parameters, not {count}", name);
                        }
                        for (int index = 0, next = 0; index < types.Length; index++)
                        {
                            if (types[index] != typeof(IpcContext))
                            {
                                bound[index] = given[next++];
                            }
                        }
                        return bound;
                    case JsonValueKind.Object:
                        foreach (JsonProperty parameter in given.EnumerateObject())
                        {
                            int index = Array.IndexOf(names, parameter.Name);
                            if (index < 0 || types[index] == typeof(IpcContext))
                            {
                                throw Refusal("invalid_params", $"method \"{name.GetString()}\" has no parameter \"{parameter.Name}\"", name);
                            }
                            bound[index] = parameter.Value;
                        }
                        for (int index = 0; index < types.Length; index++)
                        {
                            if (types[index] != typeof(IpcContext) && bound[index].ValueKind == JsonValueKind.Undefined)
                            {
                                throw Refusal("invalid_params", $"method \"{name.GetString()}\" takes a parameter \"{names[index]}\"", name);
                            }
                        }
                        return bound;
                    default:
                        throw Refusal("invalid_request", $"the params of method \"{name.GetString()}\" are neither an array nor an object", name);
                }
            }
        }

        /// <summary>What one call gives a function.</summary>
        private readonly struct Arguments
        {
            private readonly JsonElement[] given;
            private readonly JsonElement name;
            private readonly IpcContext context;
            private readonly JsonSerializerOptions? json;

            internal Arguments(JsonElement[] given, JsonElement name, IpcContext context, JsonSerializerOptions? json)
            {
                this.given = given;
                this.name = name;
                this.context = context;
                this.json = json;
            }

            internal T Get<T>(int index)
            {
                if (typeof(T) == typeof(IpcContext))
                {
                    return (T)(object)context;
                }
                try
                {
                    return Body.OfJson<T>(given[index].GetRawText(), json);
                }
                catch (IpcException unfit)
                {
                    throw Refusal("invalid_params", $"method \"{name.GetString()}\", parameter {index + 1}: {unfit.Message}", name);
                }
            }
        }
    }
}

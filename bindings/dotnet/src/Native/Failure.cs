using System;
using System.Text.Json;

namespace SimpleIpc.Native
{
    /// <summary>The C library's errors as exceptions.</summary>
    internal static class Failure
    {
        /// <summary>Throws if the call failed; <paramref name="error"/> is what it stored, and is freed.</summary>
        internal static void Check(int status, IntPtr error)
        {
            if (status != 0)
            {
                throw Take(status, error);
            }
        }

        /// <summary>The exception for a failed call; frees the error.</summary>
        internal static unsafe IpcException Take(int status, IntPtr error)
        {
            try
            {
                return new IpcException(
                    (IpcStatus)status,
                    Text.FromNative(NativeMethods.sipc_error_message(error)) ?? "",
                    NativeMethods.sipc_error_may_have_been_handled(error) != 0,
                    NativeMethods.sipc_error_os_code(error),
                    null,
                    Text.FromNative(NativeMethods.sipc_error_handler_code(error)),
                    Data(Text.FromNative(NativeMethods.sipc_error_handler_data(error))));
            }
            finally
            {
                NativeMethods.sipc_error_free(error);
            }
        }

        private static JsonElement? Data(string? json)
        {
            if (json is null)
            {
                return null;
            }
            try
            {
                using JsonDocument document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = 1000 });
                return document.RootElement.Clone();
            }
            catch (JsonException)
            {
                // The error is worth more than its data.
                return null;
            }
        }
    }
}

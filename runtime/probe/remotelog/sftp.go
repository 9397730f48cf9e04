package remotelog

import (
	"context"
	"io"

	"github.com/pkg/sftp"
	cryptossh "golang.org/x/crypto/ssh"

	"grove/runtime/probe/ssh"
)

// sftpServer keeps its connection.
type sftpServer struct{ client *ssh.Client }

// visit speaks SFTP over the connection.
func (s *sftpServer) visit(ctx context.Context, look func(files) error) error {
	return s.client.Use(ctx, func(conn *cryptossh.Client) error {
		session, err := sftp.NewClient(conn)
		if err != nil {
			return &ssh.Broken{Err: err}
		}
		defer session.Close()
		return look(sftpFiles{session})
	})
}

// sftpFiles are files by SFTP. Its errors of files that are not there are fs.ErrNotExist.
type sftpFiles struct{ session *sftp.Client }

func (f sftpFiles) size(path string) (int64, error) {
	info, err := f.session.Stat(path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (f sftpFiles) open(path string, offset int64) (io.ReadCloser, error) {
	file, err := f.session.Open(path)
	if err != nil {
		return nil, err
	}
	if _, err := file.Seek(offset, io.SeekStart); err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}
